package org.penjing.core;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The replay of the goldens on one file: counts what differs, by the rules of {@code penjing.runtime}'s goldens.
 *
 * <p>Left out: several files ({@link SelfTest}).
 */
final class Replay {
    /** Of an fp32 logit, or of a score relative to its scale, between machines. */
    private static final double TOLERANCE = 1e-3;

    /** Told how much is done. */
    interface Step {
        void at(double share) throws StoppedException;
    }

    private final String file;
    private final Step step;
    private int n;
    private int flips;
    private int tokenDifferences;
    private double largest;

    Replay(String file, Step step) {
        this.file = file;
        this.step = step;
    }

    void run(Bundle bundle, int threads, EngineFactory factory) throws PenjingException {
        if (bundle.manifest().isDetector()) {
            try (Detector detector = Detector.openFile(bundle, file, threads, factory)) {
                samples(detector);
            }
        } else {
            try (TextClassifier classifier = TextClassifier.openFile(bundle, file, threads, factory)) {
                texts(classifier);
            }
        }
    }

    /** The engine gets the golden's ids, so that a tokenizer that differs does not hide behind it. */
    private void texts(TextClassifier classifier) throws PenjingException {
        List<Goldens.OfText> goldens = Goldens.texts(classifier.bundle());
        for (Goldens.OfText golden : goldens) {
            double[] expected = known(golden.logits().get(file));
            float[] found = classifier.engine().logits(golden.ids());
            boolean same = Arrays.equals(classifier.tokenizer().encode(golden.text()).ids(), golden.ids());
            tokenDifferences += same ? 0 : 1;
            compare(expected, found);
            step.at((double) ++n / goldens.size());
        }
    }

    private void compare(double[] expected, float[] found) throws BundleException {
        if (expected.length != found.length) {
            throw nothingSaid();
        }
        int best = 0;
        int foundBest = 0;
        boolean numbers = true;
        for (int i = 0; i < found.length; i++) {
            best = expected[i] > expected[best] ? i : best;
            foundBest = found[i] > found[foundBest] ? i : foundBest;
            numbers &= !Float.isNaN(found[i]) && !Float.isInfinite(found[i]);
            largest = Math.max(largest, Math.abs(expected[i] - found[i]));  // keeps a NaN
        }
        flips += numbers && best == foundBest ? 0 : 1;
    }

    /** A decision has not flipped when both scores are on the threshold within the tolerance. */
    private void samples(Detector detector) throws PenjingException {
        Threshold threshold = detector.threshold();
        List<Goldens.OfSamples> goldens = Goldens.samples(detector.bundle());
        for (Goldens.OfSamples golden : goldens) {
            double expected = known(golden.scores().get(file));
            double found = score(detector, golden.window());
            double scale = threshold.scale(expected);
            double limit = threshold.threshold();
            double away = Math.max(Math.abs(expected - limit), Math.abs(found - limit));
            boolean flip = expected > limit != found > limit && !(away <= TOLERANCE * scale);
            flips += flip || Double.isNaN(found) || Double.isInfinite(found) ? 1 : 0;
            largest = Math.max(largest, Math.abs(found - expected) / scale);
            step.at((double) ++n / goldens.size());
        }
    }

    /** Scores that are no numbers are counted here, not refused. */
    private static float score(Detector detector, float[] window) throws PenjingException {
        FloatBuffer samples = detector.engine().samples();
        Buffers.clear(samples);
        if (window.length != samples.remaining()) {
            throw new BundleException("goldens.jsonl holds samples of another shape: make the bundle again");
        }
        samples.put(window);
        return detector.engine().score();
    }

    private <T> T known(T expected) throws BundleException {
        if (expected == null) {
            throw nothingSaid();
        }
        return expected;
    }

    private BundleException nothingSaid() {
        return new BundleException("goldens.jsonl says nothing about '" + file
                + "', so it cannot be replayed: make the bundle again");
    }

    SelfTest.Row row(String precision) throws BundleException {
        if (n == 0) {
            throw nothingSaid();
        }
        List<String> problems = new ArrayList<>();
        if (tokenDifferences > 0) {
            problems.add(tokenDifferences + " of " + n + " texts have other token ids: update the app");
        }
        if (flips > 0) {
            problems.add(file + " decides " + flips + " of " + n + " differently: do not use it on this device");
        }
        if ("fp32".equals(precision) && !(largest <= TOLERANCE)) {
            problems.add(String.format(
                    Locale.ROOT, "%s is off by %.2g, allowed is %.0e: update the app", file, largest, TOLERANCE));
        }
        String problem = problems.isEmpty() ? null : Words.join(problems, "; ");
        return new SelfTest.Row(file, n, flips, largest, tokenDifferences, problem);
    }
}
