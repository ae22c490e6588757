package org.penjing.core;

import java.util.Arrays;

/**
 * Warm-up that ends when the times have settled, not after a fixed number of calls: change-points cut the series into
 * segments of one level each, and what lies before the last cut is warm-up. As {@code penjing.benchmarks.warm_up}.
 *
 * <p>Left out: programs that never settle: after some calls or a second the times are taken as they are.
 */
final class WarmUp {
    private static final int FEWEST_STEADY = 10;
    private static final int FEWEST_IN_SEGMENT = 3;
    private static final int MOST_CALLS = 200;
    private static final double MOST_NS = 1e9;
    private static final double SMALLEST_STEP = 0.01;
    private static final double MAD_TO_SIGMA = 1.4826;

    private WarmUp() {}

    /** Asks until the times have settled; whether they did. */
    static boolean until(TimingLoop.Call call) throws PenjingException {
        double[] logs = new double[MOST_CALLS];
        double total = 0;
        for (int n = 0; n < MOST_CALLS && total < MOST_NS; n++) {
            long start = System.nanoTime();
            call.ask(0);
            long took = Math.max(1, System.nanoTime() - start);
            total += took;
            logs[n] = Math.log(took);
            if (n + 1 - lastChange(Arrays.copyOf(logs, n + 1)) >= FEWEST_STEADY) {
                return true;
            }
        }
        return false;
    }

    /** Where the last segment of one level begins; 0 when the whole series of logarithms has one level. */
    static int lastChange(double[] logs) {
        int start = 0;
        for (int cut = bestCut(logs); cut > 0; cut = bestCut(Arrays.copyOfRange(logs, start, logs.length))) {
            start += cut;
        }
        return start;
    }

    /** The split into two levels that explains most, 0 when it explains no more than chance or under 1%. */
    private static int bestCut(double[] logs) {
        int n = logs.length;
        if (n < 2 * FEWEST_IN_SEGMENT) {
            return 0;
        }
        double sigma = sigma(logs);
        double[] sums = tameSums(logs, Math.max(10 * sigma, 2 * SMALLEST_STEP));
        int best = 0;
        double bestGain = -1;
        for (int cut = FEWEST_IN_SEGMENT; cut <= n - FEWEST_IN_SEGMENT; cut++) {
            double step = step(sums, cut);
            double gain = (double) cut * (n - cut) / n * step * step;
            if (gain > bestGain) {
                best = cut;
                bestGain = gain;
            }
        }
        boolean chance = bestGain <= 3 * Math.log(n) * sigma * sigma;
        return chance || Math.abs(step(sums, best)) < SMALLEST_STEP ? 0 : best;
    }

    /** The mean before a cut less the mean after it. */
    private static double step(double[] sums, int cut) {
        int n = sums.length;
        return sums[cut - 1] / cut - (sums[n - 1] - sums[cut - 1]) / (n - cut);
    }

    /** Running sums; farther off than {@code reach} an outlier counts no more, but a step still does. */
    private static double[] tameSums(double[] logs, double reach) {
        double middle = median(logs);
        double[] sums = new double[logs.length];
        double sum = 0;
        for (int i = 0; i < logs.length; i++) {
            sum += Math.max(middle - reach, Math.min(middle + reach, logs[i]));
            sums[i] = sum;
        }
        return sums;
    }

    /** The spread of one level: of the differences of neighbours, by the median, so that steps count little. */
    private static double sigma(double[] logs) {
        double[] steps = new double[logs.length - 1];
        for (int i = 0; i < steps.length; i++) {
            steps[i] = Math.abs(logs[i + 1] - logs[i]);
        }
        return MAD_TO_SIGMA * median(steps) / Math.sqrt(2);
    }

    private static double median(double[] values) {
        return Measurement.percentile(values, 50);
    }
}
