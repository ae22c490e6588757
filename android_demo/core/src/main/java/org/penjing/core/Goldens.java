package org.penjing.core;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * The goldens of a bundle: texts or windows, and what every model file answered when the bundle was made.
 *
 * <p>Left out: replaying them ({@link SelfTest}).
 */
final class Goldens {
    private static final String NAME = "goldens.jsonl";

    /** A text, its token ids, and the logits of each file. */
    record OfText(String text, int[] ids, Map<String, double[]> logits) {}

    /** A window [window * channels], and the score of each file. */
    record OfSamples(float[] window, Map<String, Double> scores) {}

    private interface Reader<T> {
        T read(JSONObject raw);
    }

    private Goldens() {}

    static List<OfText> texts(Bundle bundle) throws BundleException {
        return lines(bundle, raw -> new OfText(
                raw.getString("text"), Json.ints(raw.getJSONArray("input_ids")), logits(raw.getJSONObject("logits"))));
    }

    static List<OfSamples> samples(Bundle bundle) throws BundleException {
        return lines(bundle, raw -> new OfSamples(
                window(raw.getJSONArray("samples")), scores(raw.getJSONObject("scores"))));
    }

    private static <T> List<T> lines(Bundle bundle, Reader<T> reader) throws BundleException {
        List<T> rows = new ArrayList<>();
        for (String line : bundle.verifiedText(NAME).split("\n")) {
            String place = NAME + ", line " + (rows.size() + 1) + ",";
            try {
                rows.add(reader.read(Json.object(line, place)));
            } catch (JSONException error) {
                throw Json.misstated(place, error);
            }
        }
        return rows;
    }

    private static Map<String, double[]> logits(JSONObject raw) {
        Map<String, double[]> logits = new HashMap<>();
        for (Iterator<String> files = raw.keys(); files.hasNext(); ) {
            String file = files.next();
            logits.put(file, Json.doubles(raw.getJSONArray(file)));
        }
        return logits;
    }

    private static Map<String, Double> scores(JSONObject raw) {
        Map<String, Double> scores = new HashMap<>();
        for (Iterator<String> files = raw.keys(); files.hasNext(); ) {
            String file = files.next();
            scores.put(file, raw.getDouble(file));
        }
        return scores;
    }

    private static float[] window(JSONArray rows) {
        int channels = rows.getJSONArray(0).length();
        float[] window = new float[rows.length() * channels];
        for (int i = 0; i < window.length; i++) {
            window[i] = (float) rows.getJSONArray(i / channels).getDouble(i % channels);
        }
        return window;
    }
}
