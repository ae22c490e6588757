package org.penjing.demo;

/**
 * Something that a detector can score: the accelerometer, or a bundle's goldens as a demo. It is started and stopped
 * on the main thread, and calls its sink there.
 *
 * <p>Left out: what the scores are.
 */
interface Signal {
    void start();

    void stop();

    /** Whom a signal tells. */
    interface Sink extends Resampler.Sink {
        /** A whole window, for a signal that is not one series. */
        void window(float[] window);

        /** Nothing came for some time, or it comes again. */
        void silent(boolean silent);

        /** The signal cannot go on: the line to show. */
        void failed(String problem);
    }
}
