package org.penjing.core;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Reads characters.txt: sections of whole numbers to base 36, as check/make_char_table.py describes them.
 *
 * <p>Left out: what the numbers mean ({@link CharTable}).
 */
final class CharTableReader {
    /** Absolute, so that a shrinker may rename this package. */
    private static final String RESOURCE = "/org/penjing/core/characters.txt";

    private final byte[] text;
    private int at;

    /** Code points in order, and what each becomes. */
    record Rows(int[] codes, int[][] parts) {}

    CharTableReader() throws IOException {
        text = content();
        while (text[at++] != '\n') {
            // the comment in the first line
        }
    }

    CodePointBytes runs(String section) throws IOException {
        CodePointBytes bytes = new CodePointBytes();
        int code = 0;
        for (int left = header(section); left > 0; left--) {
            int from = code + number();
            code = from + number();
            bytes.add(from, code, number());
        }
        return bytes;
    }

    Rows rows(String section) throws IOException {
        int[] codes = new int[header(section)];
        int[][] parts = new int[codes.length][];
        int code = 0;
        for (int row = 0; row < codes.length; row++) {
            code += number();
            codes[row] = code;
            parts[row] = new int[number()];
            for (int i = 0; i < parts[row].length; i++) {
                parts[row][i] = number();
            }
        }
        return new Rows(codes, parts);
    }

    private int header(String section) throws IOException {
        for (int i = 0; i < section.length(); i++) {
            if (text[at++] != section.charAt(i)) {
                throw new IOException("no section " + section);
            }
        }
        at++; // the space
        return number();
    }

    /** The next number and the white space behind it. */
    private int number() {
        int number = 0;
        for (byte digit = text[at++]; digit > ' '; digit = text[at++]) {
            number = number * 36 + digit - (digit > '9' ? 'a' - 10 : '0');
        }
        return number;
    }

    private static byte[] content() throws IOException {
        try (InputStream stream = CharTableReader.class.getResourceAsStream(RESOURCE)) {
            if (stream == null) {
                throw new IOException(RESOURCE + " is missing");
            }
            ByteArrayOutputStream all = new ByteArrayOutputStream(1 << 16);
            byte[] block = new byte[1 << 14];
            for (int read = stream.read(block); read >= 0; read = stream.read(block)) {
                all.write(block, 0, read);
            }
            return all.toByteArray();
        }
    }
}
