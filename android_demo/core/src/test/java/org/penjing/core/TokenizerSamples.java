package org.penjing.core;

import org.json.JSONArray;
import org.json.JSONObject;

/**
 * A small tokenizer.json for the tokenizer's tests, and ways to change it.
 *
 * <p>Left out: real vocabularies, which {@link TokenizerParityTest} reads.
 */
final class TokenizerSamples {
    private static final String[] PIECES = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able",
        "the", "cafe", "!", "\u4e2d", "\u6587", "\"", "\\", "\ud83d\ude00", "Cafe", "caf\u00e9", "##\u302e", "o"};

    private TokenizerSamples() {}

    static JSONObject file() {
        JSONObject vocabulary = new JSONObject();
        for (int id = 0; id < PIECES.length; id++) {
            vocabulary.put(PIECES[id], id);
        }
        return new JSONObject("""
                {"normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
                 "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}}""")
                .put("added_tokens", new JSONArray().put(added("[MASK]", 4)))
                .put("model", new JSONObject().put("type", "WordPiece").put("unk_token", "[UNK]")
                        .put("continuing_subword_prefix", "##").put("max_input_chars_per_word", 10)
                        .put("vocab", vocabulary));
    }

    static JSONObject added(String content, int id) {
        return new JSONObject().put("id", id).put("content", content).put("special", true).put("normalized", false)
                .put("single_word", false).put("lstrip", false).put("rstrip", false);
    }

    /** The tokens' names, joined by spaces. */
    static String names(Encoding encoding) {
        StringBuilder names = new StringBuilder();
        for (int id : encoding.ids()) {
            names.append(names.length() == 0 ? "" : " ").append(id < PIECES.length ? PIECES[id] : "#" + id);
        }
        return names.toString();
    }
}
