package org.penjing.core;

/**
 * Whom a long run tells how far it is, and asks whether to go on.
 *
 * <p>Left out: threads: it is called on the thread that runs.
 */
public interface Progress {
    /** How much is done, 0 to 1; called at least once a round. */
    void at(double share);

    /** Whether to stop; the run then ends with a {@link StoppedException}. */
    boolean cancelled();

    /** Nobody: the run goes on to its end. */
    static Progress none() {
        return new Progress() {
            @Override
            public void at(double share) {}

            @Override
            public boolean cancelled() {
                return false;
            }
        };
    }
}
