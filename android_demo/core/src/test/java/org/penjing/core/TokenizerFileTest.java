package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

/**
 * Which tokenizer.json files are read, and what is said of the others.
 *
 * <p>Left out: what the read ones do with text ({@link TokenizerTest}).
 */
public final class TokenizerFileTest {
    private static String refusal(String json) {
        return assertThrows(BundleException.class, () -> WordPieceTokenizer.parse(json, 12)).getMessage();
    }

    private static String names(JSONObject file, String text) throws BundleException {
        return TokenizerSamples.names(WordPieceTokenizer.parse(file.toString(), 12).encode(text));
    }

    @Test
    public void anotherModelNormalizerSplitterOrProcessorIsRefusedByName() {
        assertTrue(refusal(TokenizerSamples.file().put("model", new JSONObject().put("type", "BPE")).toString())
                .contains("model is BPE, and this app knows WordPiece only"));
        for (String part : new String[] {"normalizer", "pre_tokenizer", "post_processor"}) {
            JSONObject file = TokenizerSamples.file().put(part, new JSONObject().put("type", "Odd"));
            assertTrue(refusal(file.toString()), refusal(file.toString()).contains(part + " is Odd"));
        }
    }

    @Test
    public void aFileWithoutANormalizerIsRefused() {
        String message = refusal(TokenizerSamples.file().put("normalizer", JSONObject.NULL).toString());
        assertTrue(message, message.contains("normalizer is none"));
    }

    @Test
    public void aVocabularyWithoutTheUnknownTokenIsRefused() {
        JSONObject file = TokenizerSamples.file();
        file.getJSONObject("model").put("unk_token", "<unk>");
        assertTrue(refusal(file.toString()).contains("vocabulary lacks <unk>"));
    }

    @Test
    public void aFileThatBreaksOffAnywhereIsRefused() {
        String whole = TokenizerSamples.file().toString();
        for (int length = 0; length < whole.length(); length++) {
            String message = refusal(whole.substring(0, length));
            assertTrue(message, message.startsWith("tokenizer.json"));
        }
    }

    @Test
    public void aPieceWithoutAWholeNumberIsRefused() {
        String whole = TokenizerSamples.file().toString();
        for (String id : new String[] {"1.5", "-1", "\"1\"", "99999999999", "null"}) {
            String message = refusal(whole.replace("\"[UNK]\":1", "\"[UNK]\":" + id));
            assertTrue(message, message.contains("vocabulary is broken at character"));
        }
    }

    @Test
    public void aLimitThatLeavesNoRoomForTextIsRefused() {
        String json = TokenizerSamples.file().toString();
        String message = assertThrows(BundleException.class, () -> WordPieceTokenizer.parse(json, 2)).getMessage();
        assertTrue(message, message.startsWith("max_length 2 leaves no room for text"));
    }

    @Test
    public void escapesInTheVocabularyAreRead() throws BundleException {
        assertEquals("[CLS] \" \\ cafe [SEP]", names(TokenizerSamples.file(), "\"\\ cafe"));
        String escaped = TokenizerSamples.file().toString().replace("\"cafe\"", "\"\\u0063af\\u0065\"");
        assertEquals(9, WordPieceTokenizer.parse(escaped, 12).encode("cafe").ids()[1]);
    }

    @Test
    public void idsComeFromTheFileHoweverTheVocabularyWasPruned() throws BundleException {
        JSONObject file = TokenizerSamples.file();
        file.getJSONObject("model").getJSONObject("vocab").put("the", 7000);
        assertEquals("[CLS] #7000 [SEP]", names(file, "the"));
    }

    @Test
    public void aTemplateMaySurroundTheTextWithAnything() throws BundleException {
        JSONObject file = TokenizerSamples.file();
        file.put("post_processor", new JSONObject("""
                {"type": "TemplateProcessing",
                 "single": [{"SpecialToken": {"id": "two", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                 "pair": [], "special_tokens": {"two": {"id": "two", "ids": [2, 4]}}}"""));
        assertEquals("[CLS] [MASK] the", names(file, "the"));
        file.put("post_processor", JSONObject.NULL);
        assertEquals("the", names(file, "the"));
    }

    @Test
    public void aTemplateWithAnotherTypeIsRefused() {
        JSONObject file = TokenizerSamples.file();
        JSONObject text = new JSONObject().put("Sequence", new JSONObject().put("id", "A").put("type_id", 1));
        file.put("post_processor", new JSONObject().put("type", "TemplateProcessing")
                .put("single", new JSONArray().put(text)).put("special_tokens", new JSONObject()));
        assertTrue(refusal(file.toString()).contains("more than one type"));
    }

    @Test
    public void theBundlesTokenizerIsRead() throws Exception {
        String bundles = System.getenv("PENJING_BUNDLES");
        assumeTrue("PENJING_BUNDLES names no folder with the bundle assistant",
                bundles != null && Files.isRegularFile(Path.of(bundles, "assistant", "tokenizer.json")));
        String json = Files.readString(Path.of(bundles, "assistant", "tokenizer.json"));
        int[] ids = WordPieceTokenizer.parse(json, 128).encode("Turn on the light").ids();
        assertEquals(6, ids.length);
    }
}
