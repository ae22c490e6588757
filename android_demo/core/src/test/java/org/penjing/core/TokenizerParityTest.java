package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

/**
 * Ids and offsets equal Hugging Face's on the cases that check/make_tokenizer_cases.py wrote into $PENJING_PARITY.
 *
 * <p>Left out: what a case means. They are too many to read; the script says how they are made.
 */
public final class TokenizerParityTest {
    private static final int SHOWN = 10;

    private final List<String> differences = new ArrayList<>();
    private int cases;

    @Test
    public void idsAndOffsetsAreThoseOfHuggingFace() throws Exception {
        String folder = System.getenv("PENJING_PARITY");
        assumeTrue("PENJING_PARITY names no folder with tokenizer cases", folder != null);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of(folder), "tokenizer-*.cases")) {
            for (Path file : files) {
                compare(file);
            }
        }
        assumeTrue("no tokenizer-*.cases in " + folder, cases > 0);
        System.out.println("tokenizer parity: " + cases + " cases, " + differences.size() + " differences");
        assertEquals(differences.subList(0, Math.min(differences.size(), SHOWN)).toString(), 0, differences.size());
    }

    private void compare(Path file) throws IOException, BundleException {
        int before = cases;
        Path json = file.resolveSibling(file.getFileName().toString().replace(".cases", ".json"));
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            int maxLength = new JSONObject(lines.readLine()).getInt("max_length");
            WordPieceTokenizer tokenizer = WordPieceTokenizer.parse(Files.readString(json), maxLength);
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                compare(file.getFileName().toString(), tokenizer, new JSONObject(line));
            }
        }
        assertTrue(file + " holds no cases", cases > before);
    }

    private void compare(String name, WordPieceTokenizer tokenizer, JSONObject expected) {
        String text = expected.getString("text");
        Encoding got = tokenizer.encode(text);
        int[] ids = ints(expected.getJSONArray("ids"));
        int[] starts = inChars(text, ints(expected.getJSONArray("starts")));
        int[] ends = inChars(text, ints(expected.getJSONArray("ends")));
        cases++;
        if (!Arrays.equals(ids, got.ids()) || !Arrays.equals(starts, got.starts()) || !Arrays.equals(ends, got.ends())
                || got.truncated() != expected.getBoolean("truncated")) {
            differences.add(name + " " + JSONObject.quote(text) + ": " + Arrays.toString(got.ids())
                    + Arrays.toString(got.starts()) + Arrays.toString(got.ends()) + " instead of "
                    + Arrays.toString(ids) + Arrays.toString(starts) + Arrays.toString(ends) + "\n");
        }
    }

    private static int[] inChars(String text, int[] codePoints) {
        int[] chars = new int[codePoints.length];
        for (int i = 0; i < chars.length; i++) {
            chars[i] = text.offsetByCodePoints(0, codePoints[i]);
        }
        return chars;
    }

    private static int[] ints(JSONArray array) {
        int[] values = new int[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getInt(i);
        }
        return values;
    }
}
