package org.penjing.core;

import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;

/**
 * A series in, sample by sample: a score and alarms. It remembers one window, one value a feature and a few votes,
 * however long the series is, and allocates nothing in a push.
 *
 * <p>Nothing is taken of a sample that is refused: the new one is written where the oldest was, and counts only when
 * its score is there. Left out: what drove an alarm, notices of drift, and saving the state. Not to be shared between
 * threads.
 */
public final class DetectorStream {
    private final Detector detector;
    private final List<String> features;
    private final float[] typical;
    private final boolean refuse;
    private final boolean hold;
    private final double largestGap;
    private final double period;
    private final double threshold;
    private final int channels;
    private final int window;

    private final float[] ring;
    private final float[] last;
    private final float[] filled;
    private final AlarmVotes votes;
    private int next;
    private int held;
    private long seen;
    private double time = Double.NaN;
    private float score = Float.NaN;

    DetectorStream(Detector detector) throws BundleException {
        this.detector = detector;
        SampleFormat format = detector.format();
        features = format.features();
        typical = format.typical();
        refuse = format.missing().equals("refuse");
        hold = format.missing().equals("hold");
        largestGap = format.largestGap() == null ? Double.POSITIVE_INFINITY : format.largestGap();
        period = format.periodSeconds() == null ? Double.POSITIVE_INFINITY : format.periodSeconds();
        threshold = detector.threshold().threshold();
        channels = features.size();
        window = detector.window();
        ring = new float[window * channels];
        last = new float[channels];
        filled = new float[channels];
        votes = new AlarmVotes(detector.policy());
        Arrays.fill(last, Float.NaN);
    }

    /**
     * Takes the next sample [channels] at a time in seconds (NaN: unknown); whether it makes an alarm. A missing value
     * is NaN. Throws InputException for a sample that cannot be scored and a time that goes back.
     */
    public boolean push(float[] sample, double seconds) throws PenjingException {
        check(sample, seconds);
        boolean anew = isGap(seconds);
        fill(sample, anew);
        System.arraycopy(filled, 0, ring, next * channels, channels);
        int count = Math.min(window, (anew ? 0 : held) + 1);
        float found = count == window ? scoreRing() : Float.NaN;
        remember(sample, seconds, anew);
        held = count;
        score = found;
        return votes.take(found > threshold);
    }

    /** Of the last push; NaN while the window fills. */
    public float score() {
        return score;
    }

    /** Samples taken so far. */
    public long seen() {
        return seen;
    }

    private void check(float[] sample, double seconds) throws InputException {
        if (sample.length != channels) {
            throw new InputException("the sample has " + sample.length + " values, the detector takes " + channels
                    + ": " + SampleFormat.shortened(features));
        }
        SampleChecks.refuseTime(seconds, time);
        SampleChecks.refuseInfinite(sample, features);
        if (refuse) {
            SampleChecks.refuseMissing(sample, features);
        }
    }

    /** Whether more samples are missing before this one than the bundle allows. Unknown times and periods: no. */
    private boolean isGap(double seconds) {
        return Math.rint((seconds - time) / period) - 1 > largestGap;
    }

    /** The sample with its missing values filled. */
    private void fill(float[] sample, boolean anew) {
        for (int i = 0; i < channels; i++) {
            float known = Float.isNaN(sample[i]) && hold && !anew ? last[i] : sample[i];
            filled[i] = Float.isNaN(known) ? typical[i] : known;
        }
    }

    /** Of the window that ends with the sample at {@code next}. */
    private float scoreRing() throws EngineException {
        FloatBuffer samples = detector.engine().samples();
        int oldest = (next + 1) % window * channels;
        Buffers.clear(samples);
        samples.put(ring, oldest, ring.length - oldest);
        samples.put(ring, 0, oldest);
        return detector.score();
    }

    private void remember(float[] sample, double seconds, boolean anew) {
        if (anew) {
            Arrays.fill(last, Float.NaN);
            votes.clear();
        }
        for (int i = 0; i < channels; i++) {
            last[i] = Float.isNaN(sample[i]) ? last[i] : sample[i];
        }
        time = Double.isNaN(seconds) ? time : seconds;
        next = (next + 1) % window;
        seen++;
    }
}
