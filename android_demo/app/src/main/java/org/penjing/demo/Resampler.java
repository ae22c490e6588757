package org.penjing.demo;

/**
 * Samples that come when the sensor likes, made into samples on the bundle's even grid (linear between two).
 *
 * <p>When time goes back or stands still for longer than a pause may be, the grid starts anew and the sink is told.
 * Left out: a low-pass filter before a slower grid.
 */
final class Resampler {
    /** Takes what comes out. {@code values} is used again for the next sample. */
    interface Sink {
        void sample(float[] values, double seconds);

        /** Time jumped by so many seconds: what comes next has nothing to do with what came before. */
        void jumped(double seconds);
    }

    static final double LONGEST_PAUSE_SECONDS = 0.5;

    private final double period;
    private final float[] before;
    private final float[] between;
    private final Sink sink;
    private double first = Double.NaN;
    private double last;
    private long made;

    /** {@code period} in seconds; 0 lets every sample through as it comes. */
    Resampler(double period, int channels, Sink sink) {
        this.period = period;
        this.sink = sink;
        before = new float[channels];
        between = new float[channels];
    }

    void offer(double seconds, float[] values) {
        double step = seconds - last;
        boolean fresh = Double.isNaN(first);
        if (!fresh && (step < 0 || step > LONGEST_PAUSE_SECONDS)) {
            sink.jumped(step);
            fresh = true;
        }
        if (fresh) {
            first = seconds;
            made = 0;
            last = seconds;
        }
        if (period > 0) {
            fill(seconds, values);
        } else {
            System.arraycopy(values, 0, between, 0, between.length);
            sink.sample(between, seconds);
        }
        System.arraycopy(values, 0, before, 0, before.length);
        last = seconds;
    }

    private void fill(double seconds, float[] values) {
        for (double next = first + made * period; next <= seconds; next = first + ++made * period) {
            float share = seconds > last ? (float) ((next - last) / (seconds - last)) : 1;
            for (int c = 0; c < between.length; c++) {
                between[c] = (1 - share) * before[c] + share * values[c];
            }
            sink.sample(between, next);
        }
    }
}
