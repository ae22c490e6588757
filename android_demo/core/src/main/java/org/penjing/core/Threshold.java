package org.penjing.core;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * A score above {@code threshold} counts as anomalous. {@code falseAlarms} is the rate that was asked for
 * (null when none was), {@code low} to {@code high} the 95% interval of what will be realised, {@code n} the normal
 * rows behind it, {@code quantiles} the 101 quantiles of their scores.
 *
 * <p>Left out: how thresholds are found ({@code penjing calibrate}).
 */
public record Threshold(
        double threshold, Double falseAlarms, double low, double high, int n, double[] quantiles) {
    private static final List<String> METHODS =
            Collections.unmodifiableList(Arrays.asList("conformal", "best-f1", "pot"));
    private static final int QUANTILES = 101;

    static Threshold parse(JSONObject raw) throws BundleException {
        try {
            String method = raw.getString("method");
            if (!METHODS.contains(method)) {
                throw new BundleException("the threshold's method is '" + method + "', this app knows " + METHODS
                        + ": update the app");
            }
            Threshold threshold = new Threshold(
                    raw.getDouble("threshold"), raw.isNull("false_alarms") ? null : raw.getDouble("false_alarms"),
                    raw.getDouble("low"), raw.getDouble("high"), raw.getInt("n"),
                    Json.doubles(raw.getJSONArray("quantiles")));
            threshold.check();
            return threshold;
        } catch (JSONException error) {
            throw Json.misstated("the threshold of the manifest", error);
        }
    }

    /** What a difference of a score is measured in: that score, or the usual spread of normal ones if it is larger. */
    double scale(double score) {
        double spread = quantiles[75] - quantiles[25];
        return Math.max(Math.max(Math.abs(score), spread), Float.MIN_NORMAL);
    }

    private void check() throws BundleException {
        boolean fine = quantiles.length == QUANTILES && finite(threshold) && finite(low) && finite(high);
        for (int i = 0; fine && i < QUANTILES; i++) {
            fine = finite(quantiles[i]) && (i == 0 || quantiles[i] >= quantiles[i - 1]);
        }
        if (!fine) {
            throw new BundleException("a threshold needs finite numbers and " + QUANTILES
                    + " ascending quantiles: run `penjing calibrate` on the bundle");
        }
    }

    private static boolean finite(double value) {
        return !Double.isNaN(value) && !Double.isInfinite(value);
    }
}
