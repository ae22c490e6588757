package org.penjing.core;

import java.io.IOException;
import java.util.Arrays;

/**
 * What Hugging Face's normalizer and splitter make of each code point.
 *
 * <p>Every Android has its own version of Unicode, and none is the one that the training machine used; so nothing
 * about characters is asked of the platform. check/make_char_table.py makes the table.
 *
 * <p>Left out: all of Unicode that a BERT tokenizer does not look at.
 */
final class CharTable {
    /** Control characters and code points without a meaning, which cleaning drops. */
    static final int DROPPED = 1;
    static final int SPACE = 2;
    static final int CHINESE = 4;
    static final int PUNCTUATION = 8;
    /** A mark without a width of its own, such as an accent. */
    static final int MARK = 16;
    /** A letter, digit or mark: what a token that must stand alone may not touch. */
    static final int WORD = 32;
    static final int DECOMPOSES = 64;
    static final int UPPER = 128;

    private static final int HANGUL = 0xAC00;
    private static final int HANGUL_END = 0xD7A4;
    private static CharTable loaded;

    private final CodePointBytes kinds;
    private final CodePointBytes classes;
    private final CharTableReader.Rows decompositions;
    private final CharTableReader.Rows lowercase;

    private CharTable(CharTableReader reader) throws IOException {
        kinds = reader.runs("kinds");
        classes = reader.runs("classes");
        decompositions = reader.rows("decompositions");
        lowercase = reader.rows("lowercase");
        for (int code : decompositions.codes()) {
            kinds.add(code, code + 1, DECOMPOSES);
        }
        for (int code : lowercase.codes()) {
            kinds.add(code, code + 1, UPPER);
        }
        kinds.add(HANGUL, HANGUL_END, DECOMPOSES);
    }

    /** The one table; the first call reads it. */
    static synchronized CharTable load() throws BundleException {
        if (loaded == null) {
            try {
                loaded = new CharTable(new CharTableReader());
            } catch (IOException | IndexOutOfBoundsException error) {
                throw new BundleException("this app lacks its table of characters: install it again", error);
            }
        }
        return loaded;
    }

    /** The bits above. */
    int kind(int code) {
        return kinds.get(code);
    }

    /** The canonical combining class: of marks on one letter, those of a lower class come first. */
    int combiningClass(int code) {
        return classes.get(code);
    }

    /** What a code point with the bit DECOMPOSES consists of. */
    int[] decomposition(int code) {
        if (code < HANGUL || code >= HANGUL_END) {
            return get(decompositions, code);
        }
        int syllable = (code - HANGUL) / 28;
        int trailing = (code - HANGUL) % 28;
        int leading = 0x1100 + syllable / 21;
        int vowel = 0x1161 + syllable % 21;
        return trailing == 0 ? new int[] {leading, vowel} : new int[] {leading, vowel, 0x11A7 + trailing};
    }

    /** The small letter (one code point but for a dotted capital I) of one with the bit UPPER. */
    int[] lowercase(int code) {
        return get(lowercase, code);
    }

    private static int[] get(CharTableReader.Rows rows, int code) {
        return rows.parts()[Arrays.binarySearch(rows.codes(), code)];
    }
}
