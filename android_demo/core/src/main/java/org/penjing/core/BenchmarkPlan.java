package org.penjing.core;

/**
 * How to measure, as {@code penjing bench} does: each round times {@code repeats} calls of each file.
 *
 * <p>{@code length} is in tokens, 0 for detectors; {@code seconds} is how long a sustained run lasts. Left out: what
 * is measured, which is the bundle's goldens.
 */
public record BenchmarkPlan(Mode mode, int rounds, int repeats, int threads, int length, double seconds, long seed) {
    /** Calls back to back, one a second as an app asks, or back to back for minutes. */
    public enum Mode { BURST, PACED, SUSTAINED }

    private static final int PASSES = 5;

    /** Throws InputException on a plan that measures nothing. */
    public void check() throws InputException {
        if (rounds < 1 || repeats < 1 || threads < 1 || length < 0 || length == 1 || !(seconds > 0)) {
            throw new InputException("a plan of " + rounds + " rounds, " + repeats + " repeats, " + threads
                    + " threads, " + length + " tokens, " + seconds
                    + " seconds measures nothing: give at least 1 of each, 2 tokens");
        }
    }

    /** How often the run goes through its conditions, with engines opened anew: as many as divide the rounds. */
    int passes() {
        int passes = mode == Mode.SUSTAINED ? 1 : PASSES;
        while (rounds % passes != 0) {
            passes--;
        }
        return passes;
    }
}
