package org.penjing.core;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * What a tokenizer.json of BERT's kind says, checked: a file that asks for anything else is refused.
 *
 * <p>Left out: pairs of texts, padding, truncation (the bundle's manifest decides), and going back from ids to text.
 *
 * @param pieces the vocabulary
 * @param unknown the id for words without pieces
 * @param inside the node of `pieces` at which those hang that continue a word, or -1
 * @param longestWord words of more code points are unknown
 * @param raw added tokens that are looked for in the text as it is
 * @param cleaned added tokens that are looked for in the normalized text
 * @param before the ids in front of every text
 * @param after the ids behind it
 */
record TokenizerFile(PieceTrie pieces, int unknown, int inside, int longestWord, BertNormalizer normalizer,
        AddedTokens raw, AddedTokens cleaned, int[] before, int[] after) {
    /** A vocabulary of 30,522 pieces has 64,583 edges. */
    private static final int EDGES = 100_000;

    static TokenizerFile parse(String json, CharTable table) throws BundleException {
        PieceTrie pieces = new PieceTrie(EDGES);
        try {
            JSONObject file = new JSONObject(VocabularyReader.read(json, pieces));
            JSONObject model = part(file, "model", "WordPiece");
            part(file, "pre_tokenizer", "BertPreTokenizer");
            BertNormalizer normalizer = normalizer(part(file, "normalizer", "BertNormalizer"), table);
            AddedTokens raw = new AddedTokens(table);
            AddedTokens cleaned = new AddedTokens(table);
            addTokens(file, pieces, normalizer, raw, cleaned);
            int[][] around = around(file);
            return new TokenizerFile(pieces, unknown(model, pieces),
                    pieces.find(model.optString("continuing_subword_prefix", "##")),
                    model.optInt("max_input_chars_per_word", 100),
                    normalizer, raw, cleaned, around[0], around[1]);
        } catch (JSONException error) {
            throw new BundleException(
                    "tokenizer.json is broken (" + error.getMessage() + "): copy the bundle again", error);
        }
    }

    /** The object `name` of the file, which has to be of this type. */
    private static JSONObject part(JSONObject file, String name, String type) throws BundleException {
        JSONObject part = file.optJSONObject(name);
        String found = part == null ? "none" : part.optString("type", "one without a type");
        if (!found.equals(type)) {
            throw refusal(name + " is " + found + ", and this app knows " + type + " only");
        }
        return part;
    }

    private static BundleException refusal(String what) {
        return new BundleException("tokenizer.json: its " + what + ": export the bundle with a BERT tokenizer");
    }

    private static int unknown(JSONObject model, PieceTrie pieces) throws BundleException {
        String token = model.optString("unk_token", "[UNK]");
        int id = pieces.get(token);
        if (id < 0) {
            throw refusal("vocabulary lacks " + token + ", which words without pieces become");
        }
        return id;
    }

    private static BertNormalizer normalizer(JSONObject options, CharTable table) {
        boolean lower = options.optBoolean("lowercase", true);
        boolean strip = options.isNull("strip_accents") ? lower : options.optBoolean("strip_accents");
        return new BertNormalizer(table, options.optBoolean("clean_text", true),
                options.optBoolean("handle_chinese_chars", true), strip, lower);
    }

    private static void addTokens(JSONObject file, PieceTrie pieces, BertNormalizer normalizer, AddedTokens raw,
            AddedTokens cleaned) throws JSONException {
        JSONArray tokens = file.optJSONArray("added_tokens");
        for (int i = 0; tokens != null && i < tokens.length(); i++) {
            JSONObject token = tokens.getJSONObject(i);
            String content = token.getString("content");
            boolean clean = token.optBoolean("normalized");
            int known = pieces.get(content);
            (clean ? cleaned : raw).add(clean ? normalized(content, normalizer) : content,
                    known >= 0 ? known : token.getInt("id"), token.optBoolean("single_word"),
                    token.optBoolean("lstrip"), token.optBoolean("rstrip"));
        }
    }

    private static String normalized(String content, BertNormalizer normalizer) {
        Spans text = Spans.of(content);
        Spans clean = normalizer.normalize(text, 0, text.length);
        return new String(clean.values, 0, clean.length);
    }

    /** The ids before and after a single text. */
    private static int[][] around(JSONObject file) throws JSONException, BundleException {
        if (file.isNull("post_processor")) {
            return new int[][] {{}, {}};
        }
        JSONObject processor = file.getJSONObject("post_processor");
        return switch (processor.optString("type")) {
            case "TemplateProcessing" -> template(processor);
            case "BertProcessing" -> new int[][] {
                {processor.getJSONArray("cls").getInt(1)}, {processor.getJSONArray("sep").getInt(1)}};
            default -> throw refusal("post_processor is " + processor.optString("type")
                    + ", and this app knows TemplateProcessing and BertProcessing only");
        };
    }

    private static int[][] template(JSONObject processor) throws JSONException, BundleException {
        JSONArray single = processor.getJSONArray("single");
        List<Integer> before = new ArrayList<>();
        List<Integer> after = new ArrayList<>();
        List<Integer> side = before;
        for (int i = 0; i < single.length(); i++) {
            JSONObject special = single.getJSONObject(i).optJSONObject("SpecialToken");
            JSONObject item = special == null ? single.getJSONObject(i).getJSONObject("Sequence") : special;
            if (item.optInt("type_id") != 0 || special == null && side == after) {
                throw refusal("post_processor gives a single text more than one type or place");
            }
            if (special == null) {
                side = after;
            } else {
                addIds(processor, item.getString("id"), side);
            }
        }
        if (side == before) {
            throw refusal("post_processor leaves the text out");
        }
        return new int[][] {array(before), array(after)};
    }

    private static void addIds(JSONObject processor, String name, List<Integer> ids) throws JSONException {
        JSONArray given = processor.getJSONObject("special_tokens").getJSONObject(name).getJSONArray("ids");
        for (int i = 0; i < given.length(); i++) {
            ids.add(given.getInt(i));
        }
    }

    private static int[] array(List<Integer> numbers) {
        int[] array = new int[numbers.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = numbers.get(i);
        }
        return array;
    }
}
