package org.penjing.demo;

import org.penjing.core.BenchmarkPlan;
import org.penjing.core.BenchmarkPlan.Mode;
import org.penjing.core.Manifest;

/**
 * How much the app measures when nobody says: about a minute at most in any mode.
 *
 * <p>Left out: settings for it on the screen; adb can set all of them ({@link BenchmarkActivity}).
 */
final class SpeedPlans {
    static final int ROUNDS = 20;
    static final int REPEATS = 10;
    static final int SECONDS = 60;
    static final long SEED = 1;
    private static final int PACED_ROUNDS = 5;
    private static final int PACED_REPEATS = 2;
    private static final int USUAL_LENGTH = 32;

    private SpeedPlans() {}

    static BenchmarkPlan of(Mode mode, Manifest manifest) {
        boolean paced = mode == Mode.PACED;
        return new BenchmarkPlan(mode, paced ? PACED_ROUNDS : ROUNDS, paced ? PACED_REPEATS : REPEATS, 1,
                length(manifest), SECONDS, SEED);
    }

    /** In tokens; 0 for a detector, whose window is given. */
    static int length(Manifest manifest) {
        if (manifest.isDetector()) {
            return 0;
        }
        return manifest.sequenceLengths().isEmpty()
                ? Math.min(USUAL_LENGTH, manifest.maxLength()) : manifest.sequenceLengths().get(0);
    }
}
