package org.penjing.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.json.JSONObject;
import org.junit.Test;

/**
 * What the tokenizer does, in small worked examples.
 *
 * <p>Left out: that it does what Hugging Face's does ({@link TokenizerParityTest}), and broken files
 * ({@link TokenizerFileTest}).
 */
public final class TokenizerTest {
    private static Encoding encode(String text) throws BundleException {
        return encode(text, TokenizerSamples.file());
    }

    private static Encoding encode(String text, JSONObject file) throws BundleException {
        return WordPieceTokenizer.parse(file.toString(), 12).encode(text);
    }

    private static void assertTokens(String names, String text) throws BundleException {
        assertEquals(names, TokenizerSamples.names(encode(text)));
    }

    @Test
    public void aWordBecomesTheLongestPiecesWithTheirPlaces() throws BundleException {
        Encoding encoding = encode("The unaffable!");
        assertEquals("[CLS] the un ##aff ##able ! [SEP]", TokenizerSamples.names(encoding));
        assertArrayEquals(new int[] {0, 0, 4, 6, 9, 13, 0}, encoding.starts());
        assertArrayEquals(new int[] {0, 3, 6, 9, 13, 14, 0}, encoding.ends());
        assertFalse(encoding.truncated());
    }

    @Test
    public void aWordThatPiecesDoNotCoverIsUnknownAsAWhole() throws BundleException {
        assertTokens("[CLS] [UNK] the [SEP]", "unaffzzz the");
    }

    @Test
    public void aWordThatIsTooLongIsUnknown() throws BundleException {
        assertTokens("[CLS] [UNK] [SEP]", "unaffaffaff");
    }

    @Test
    public void accentsAndCapitalsGoUnlessTheFileKeepsThem() throws BundleException {
        assertTokens("[CLS] cafe cafe [SEP]", "CAF\u00c9 cafe\u0301");
        JSONObject file = TokenizerSamples.file();
        file.getJSONObject("normalizer").put("lowercase", false);
        assertEquals("[CLS] Cafe caf\u00e9 [SEP]", TokenizerSamples.names(encode("Cafe caf\u00e9", file)));
    }

    @Test
    public void chineseIsSplitAndAPairOfSurrogatesCountsTwo() throws BundleException {
        Encoding encoding = encode("\ud83d\ude00 \u4e2d\u6587");
        assertEquals("[CLS] \ud83d\ude00 \u4e2d \u6587 [SEP]", TokenizerSamples.names(encoding));
        assertArrayEquals(new int[] {0, 0, 3, 4, 0}, encoding.starts());
        assertArrayEquals(new int[] {0, 2, 4, 5, 0}, encoding.ends());
    }

    @Test
    public void halfASurrogatePairAndControlCharactersAreDropped() throws BundleException {
        assertTokens("[CLS] the the [SEP]", "t\ud83dhe\u0000 t\u200bhe\ude00");
    }

    @Test
    public void marksThatStayAreInCanonicalOrderAndShareOutTheirPlaces() throws BundleException {
        Encoding encoding = encode("o\u302e\u0328");
        assertEquals("[CLS] o ##\u302e [SEP]", TokenizerSamples.names(encoding));
        assertArrayEquals("the second place, as the library has it", new int[] {0, 1, 3, 0}, encoding.ends());
    }

    @Test
    public void emptyTextAndSpacesAreTheSpecialTokensAlone() throws BundleException {
        assertTokens("[CLS] [SEP]", "");
        assertTokens("[CLS] [SEP]", " \n\u3000\t");
    }

    @Test
    public void aSpecialTokenIsFoundInsideTheText() throws BundleException {
        assertTokens("[CLS] the [MASK] the [SEP]", "the[MASK]the");
    }

    @Test
    public void anAddedTokenMayHaveToStandAloneAndTakesTheSpacesItIsTold() throws BundleException {
        JSONObject file = TokenizerSamples.file();
        file.getJSONArray("added_tokens").put(TokenizerSamples.added("<e>", 30).put("single_word", true)
                .put("lstrip", true).put("rstrip", true));
        assertEquals("[CLS] [UNK] [UNK] the [UNK] [SEP]", TokenizerSamples.names(encode("<e the>", file)));
        Encoding encoding = encode("the <e>  the", file);
        assertEquals("[CLS] the #30 the [SEP]", TokenizerSamples.names(encoding));
        assertEquals(3, encoding.starts()[2]);
        assertEquals(9, encoding.ends()[2]);
        assertFalse(TokenizerSamples.names(encode("the<e> the", file)).contains("#30"));
    }

    @Test
    public void anAddedTokenMayBeFoundInTheNormalizedText() throws BundleException {
        JSONObject file = TokenizerSamples.file();
        file.getJSONArray("added_tokens").put(TokenizerSamples.added("\u00c9t\u00e9", 30).put("normalized", true));
        assertEquals("[CLS] the #30 [SEP]", TokenizerSamples.names(encode("the ETE\u0301", file)));
    }

    @Test
    public void aLongTextIsCutAtTheLimit() throws BundleException {
        Encoding encoding = encode("the ".repeat(11));
        assertEquals(12, encoding.ids().length);
        assertEquals(3, encoding.ids()[11]);
        assertTrue(encoding.truncated());
        assertFalse(encode("the ".repeat(10)).truncated());
    }

    @Test
    public void aMegabyteOfAnythingHasTheTokensOfItsBeginning() throws BundleException {
        assertTrue(encode("the ".repeat(1 << 18)).truncated());
        assertTokens("[CLS] the [SEP]", " ".repeat(1 << 20) + "the");
        assertTokens("[CLS] [UNK] [SEP]", "x".repeat(1 << 20));
        assertTokens("[CLS] o [SEP]", "o" + "\u0301\u0323".repeat(1 << 19));
    }

    @Test
    public void threadsMayShareATokenizer() throws Exception {
        WordPieceTokenizer tokenizer = WordPieceTokenizer.parse(TokenizerSamples.file().toString(), 12);
        ExecutorService threads = Executors.newFixedThreadPool(2);
        Future<Boolean> one = threads.submit(() -> same(tokenizer, "The unaffable!"));
        Future<Boolean> other = threads.submit(() -> same(tokenizer, "caf\u00e9 \u4e2d\u6587"));
        assertTrue(one.get() && other.get());
        threads.shutdown();
    }

    private static boolean same(WordPieceTokenizer tokenizer, String text) {
        String first = TokenizerSamples.names(tokenizer.encode(text));
        boolean same = true;
        for (int i = 0; i < 2000; i++) {
            same &= first.equals(TokenizerSamples.names(tokenizer.encode(text)));
        }
        return same;
    }
}
