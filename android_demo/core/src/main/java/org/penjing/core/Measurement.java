package org.penjing.core;

import java.util.Arrays;

/**
 * Every sample of one file under one condition, in the order they were taken, and when each round began.
 *
 * <p>{@code kind}: "warm" or "window" (the engine alone), "text" or "stream" (whole answers). Left out: intervals,
 * which {@code penjing compare} computes from the samples.
 */
public final class Measurement {
    /** Ends the label of the first file when it takes part a second time. */
    public static final String TWIN = " (A/A)";

    final String file;
    final int passes;
    private final String label;
    private final String kind;
    private final int length;
    private double[] samples = new double[64];
    private int count;
    private double[] starts = new double[16];
    private int rounds;
    private boolean settled = true;

    Measurement(String label, String file, String kind, int length, int passes) {
        this.label = label;
        this.file = file;
        this.kind = kind;
        this.length = length;
        this.passes = passes;
    }

    /** The file's name; with {@link #TWIN} when it is the second entry of it. */
    public String label() {
        return label;
    }

    public String kind() {
        return kind;
    }

    /** In tokens, or the window; 0 for whole answers. */
    public int length() {
        return length;
    }

    /** In milliseconds. */
    public double[] samples() {
        return Arrays.copyOf(samples, count);
    }

    /** When each round began, in seconds since 1970. */
    public double[] starts() {
        return Arrays.copyOf(starts, rounds);
    }

    /** Whether every warm-up came to one level. */
    public boolean settled() {
        return settled;
    }

    /** The sample in ms below which {@code share} percent of them lie. */
    public double percentile(double share) {
        return percentile(samples(), share);
    }

    void warmedUp(boolean toOneLevel) {
        settled &= toOneLevel;
    }

    void round(double start) {
        starts = rounds < starts.length ? starts : Arrays.copyOf(starts, 2 * rounds);
        starts[rounds++] = start;
    }

    void sample(double ms) {
        samples = count < samples.length ? samples : Arrays.copyOf(samples, 2 * count);
        samples[count++] = ms;
    }

    /** Linear between two, as numpy's. */
    static double percentile(double[] values, double share) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        double place = share / 100 * (sorted.length - 1);
        int low = (int) place;
        int high = Math.min(low + 1, sorted.length - 1);
        return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
    }
}
