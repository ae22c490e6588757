package org.penjing.core;

import java.util.ArrayList;
import java.util.List;

/**
 * Refuses samples that cannot be scored, and names the features at fault.
 *
 * <p>Left out: filling missing values, which is the stream's work.
 */
final class SampleChecks {
    private SampleChecks() {}

    /** Throws when a value is infinite; the features are repeated in a window. */
    static void refuseInfinite(float[] values, List<String> features) throws InputException {
        for (float value : values) {
            if (Float.isInfinite(value)) {
                throw new InputException(marked(values, features, true)
                        + " is infinite, or beyond float32: leave it empty, or drop the sample");
            }
        }
    }

    /** Throws when a value is missing (NaN). */
    static void refuseMissing(float[] values, List<String> features) throws InputException {
        for (float value : values) {
            if (Float.isNaN(value)) {
                throw new InputException(marked(values, features, false)
                        + " is missing, which this bundle refuses: fill it, or drop the sample");
            }
        }
    }

    /** Throws for a time that is infinite or before the last one (NaN: there was none). */
    static void refuseTime(double seconds, double last) throws InputException {
        if (Double.isInfinite(seconds)) {
            throw new InputException("the sample's time is not finite: drop the sample");
        }
        if (seconds < last) {
            throw new InputException("the sample's time " + seconds + " goes back from " + last
                    + ": sort the series, or drop the sample");
        }
    }

    private static String marked(float[] values, List<String> features, boolean infinite) {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < values.length; i++) {
            String name = features.get(i % features.size());
            if ((infinite ? Float.isInfinite(values[i]) : Float.isNaN(values[i])) && !names.contains(name)) {
                names.add(name);
            }
        }
        return SampleFormat.shortened(names);
    }
}
