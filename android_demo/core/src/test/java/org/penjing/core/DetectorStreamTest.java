package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;
import org.junit.function.ThrowingRunnable;

/**
 * A series: what is refused leaves no trace, and a gap starts anew.
 *
 * <p>Left out: long real series (ParityTest).
 */
public final class DetectorStreamTest {
    private static final float[] NORMAL = {71};
    private static final int PERIOD = 300;

    private static Detector open(String name) throws Exception {
        return Detector.open(Given.bundle(name), null, 1, OnnxEngine::open);
    }

    private static void refused(String words, ThrowingRunnable act) {
        InputException error = assertThrows(InputException.class, act);
        assertTrue(error.getMessage(), error.getMessage().contains(words));
    }

    @Test
    public void theWindowFillsAndThenEverySampleHasAScore() throws Exception {
        try (Detector detector = open("nab")) {
            DetectorStream stream = detector.stream();
            for (int i = 0; i < 40; i++) {
                stream.push(NORMAL, i * PERIOD);
                assertEquals(i < 15, Float.isNaN(stream.score()));
            }
            assertEquals(40, stream.seen());
        }
    }

    @Test
    public void aTimeThatGoesBackIsRefusedAndLeavesNoTrace() throws Exception {
        try (Detector detector = open("nab")) {
            DetectorStream clean = detector.stream();
            DetectorStream tried = detector.stream();
            for (int i = 0; i < 40; i++) {
                float[] sample = {70 + i % 7};
                double seconds = i * PERIOD;
                clean.push(sample, seconds);
                tried.push(sample, seconds);
                refused("goes back", () -> tried.push(new float[] {1e9f}, seconds - 1));
                refused("not finite", () -> tried.push(sample, Double.POSITIVE_INFINITY));
                refused("infinite", () -> tried.push(new float[] {Float.NEGATIVE_INFINITY}, seconds));
                refused("has 2 values, the detector takes 1: value", () -> tried.push(new float[2], seconds));
                assertEquals(clean.score(), tried.score(), 0);
            }
            assertEquals(40, tried.seen());
        }
    }

    @Test
    public void aLongGapStartsAnewAndAShortOneDoesNot() throws Exception {
        try (Detector detector = open("nab")) {
            DetectorStream stream = detector.stream();
            for (int i = 0; i < 20; i++) {
                stream.push(NORMAL, i * PERIOD);
            }
            stream.push(NORMAL, (19 + 13) * PERIOD);
            assertFalse("12 missing samples are allowed", Float.isNaN(stream.score()));
            stream.push(NORMAL, (19 + 13 + 14) * PERIOD);
            assertTrue("13 are not", Float.isNaN(stream.score()));
            for (int i = 0; i < 15; i++) {
                stream.push(NORMAL, Double.NaN);
            }
            assertFalse(Float.isNaN(stream.score()));
        }
    }

    @Test
    public void aMissingValueIsHeldAndTypicalWhileThereIsNone() throws Exception {
        try (Detector detector = open("nab")) {
            float typical = detector.format().typical()[0];
            DetectorStream missing = detector.stream();
            DetectorStream known = detector.stream();
            for (int i = 0; i < 40; i++) {
                float value = i < 5 ? Float.NaN : i % 3 == 0 ? 60 + i : Float.NaN;
                missing.push(new float[] {value}, Double.NaN);
                known.push(new float[] {i < 6 ? typical : 60 + i - i % 3}, Double.NaN);
                assertEquals(known.score(), missing.score(), 0);
            }
        }
    }

    @Test
    public void aMissingValueIsRefusedWhereTheBundleSaysSo() throws Exception {
        try (Detector detector = open("breast-cancer")) {
            float[] sample = detector.format().typical().clone();
            DetectorStream stream = detector.stream();
            stream.push(sample, Double.NaN);
            sample[1] = Float.NaN;
            refused("mean_texture is missing", () -> stream.push(sample, Double.NaN));
            refused("mean_texture is missing", () -> detector.scoreWindow(sample));
            sample[1] = Float.POSITIVE_INFINITY;
            refused("mean_texture is infinite", () -> detector.scoreWindow(sample));
            assertEquals(1, stream.seen());
        }
    }

    @Test
    public void anEngineThatFailsLeavesTheStreamAsItWas() throws Exception {
        Given.Broken broken = new Given.Broken(4 * 12);
        try (Detector detector = Detector.open(Given.bundle("bearings"), null, 1, (m, f, n, t) -> broken)) {
            DetectorStream stream = detector.stream();
            float[] sample = detector.format().typical();
            for (int i = 0; i < 4; i++) {
                stream.push(sample, i);
            }
            float before = stream.score();
            broken.fails = true;
            assertThrows(EngineException.class, () -> stream.push(new float[12], 4));
            assertEquals(before, stream.score(), 0);
            assertEquals(4, stream.seen());
            broken.fails = false;
            stream.push(sample, 4);
            assertEquals(before, stream.score(), 0);
        }
    }

    @Test
    public void aScoreThatIsNoNumberIsRefused() throws Exception {
        Given.Broken broken = new Given.Broken(30);
        broken.score = Float.NaN;
        try (Detector detector = Detector.open(Given.bundle("breast-cancer"), null, 1, (m, f, n, t) -> broken)) {
            assertThrows(EngineException.class, () -> detector.scoreWindow(new float[30]));
        }
    }

    @Test
    public void textsMakeNoSeries() throws Exception {
        try (Detector detector = open("odd-requests")) {
            BundleException error = assertThrows(BundleException.class, detector::stream);
            assertTrue(error.getMessage(), error.getMessage().contains("takes texts"));
        }
    }

    @Test
    public void aTextBundleIsNoDetector() throws Exception {
        Bundle bundle = Given.bundle("assistant");
        BundleException error = assertThrows(
                BundleException.class, () -> Detector.open(bundle, null, 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("no detector"));
    }

    @Test
    public void aWrongWindowIsRefused() throws Exception {
        try (Detector detector = open("bearings")) {
            refused("takes 4 times 12", () -> detector.scoreWindow(new float[12]));
        }
    }
}
