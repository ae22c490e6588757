package org.penjing.core;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * What samples a detector takes: its features, their typical values, and what to do with missing ones and gaps.
 *
 * <p>{@code missing}: "refuse", "hold" (the feature's last value) or "typical". After more than {@code largestGap}
 * missing samples, each {@code periodSeconds} long, a series starts anew; null: never. Left out: detectors of texts,
 * whose samples are token ids.
 */
public record SampleFormat(
        List<String> features, float[] typical, String kind, String missing, Integer largestGap,
        Double periodSeconds) {
    static final String TEXTS = "texts";
    private static final List<String> KINDS = Arrays.asList("table", "series", "events", TEXTS);
    private static final List<String> MISSING = Arrays.asList("refuse", "hold", "typical");
    private static final int NAMES_SHOWN = 5;

    static SampleFormat parse(JSONObject raw) throws BundleException {
        try {
            SampleFormat format = new SampleFormat(
                    Collections.unmodifiableList(Arrays.asList(Json.strings(raw.getJSONArray("features")))),
                    Json.floats(raw.getJSONArray("typical")), raw.getString("kind"), raw.getString("missing"),
                    raw.isNull("largest_gap") ? null : raw.getInt("largest_gap"),
                    raw.isNull("period_seconds") ? null : raw.getDouble("period_seconds"));
            format.check();
            return format;
        } catch (JSONException error) {
            throw Json.misstated("the manifest's preprocess", error);
        }
    }

    /** The first names, and how many more there are. */
    static String shortened(List<String> names) {
        int more = names.size() - NAMES_SHOWN;
        String shown = Words.join(names.subList(0, Math.min(NAMES_SHOWN, names.size())), ", ");
        return more > 0 ? shown + " and " + more + " more" : shown;
    }

    private void check() throws BundleException {
        if (features.isEmpty() || new HashSet<>(features).size() != features.size()) {
            throw new BundleException("features are " + features + ": each channel needs one name of its own");
        }
        boolean finite = typical.length == features.size();
        for (float value : typical) {
            finite &= !Float.isNaN(value) && !Float.isInfinite(value);
        }
        if (!finite) {
            throw new BundleException(features.size() + " features need as many typical values, finite: "
                    + Arrays.toString(typical));
        }
        if (!KINDS.contains(kind) || !MISSING.contains(missing)) {
            throw new BundleException("kind is '" + kind + "', missing is '" + missing + "', this app knows " + KINDS
                    + " and " + MISSING + ": update the app");
        }
        boolean period = periodSeconds == null || (periodSeconds > 0 && periodSeconds < Double.POSITIVE_INFINITY);
        if (!period || (largestGap != null && (largestGap < 0 || periodSeconds == null))) {
            throw new BundleException("largest_gap is " + largestGap + ", period_seconds " + periodSeconds
                    + ": a gap is counted in samples (0 or more) of a known period above zero");
        }
    }
}
