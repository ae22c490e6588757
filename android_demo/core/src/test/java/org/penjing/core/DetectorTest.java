package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

/**
 * A detector says what it takes and how it alarms, and a manifest that contradicts itself is refused.
 *
 * <p>Left out: series (DetectorStreamTest).
 */
public final class DetectorTest {
    private static void refused(String words, String name, String old, String changed) throws Exception {
        Given.Copy copy = Given.Copy.of(name);
        String before = copy.text("manifest.json");
        copy.manifest(old, changed);
        assertTrue(old + " is in the manifest", !before.equals(copy.text("manifest.json")));
        BundleException error = assertThrows(BundleException.class, () -> {
            try (Detector detector = Detector.open(Bundle.open(copy), "fp32", 1, OnnxEngine::open)) {
                detector.stream();
            }
        });
        assertTrue(error.getMessage(), error.getMessage().contains(words));
    }

    @Test
    public void itSaysWhatItTakesAndHowItAlarms() throws Exception {
        try (Detector detector = Detector.open(Given.bundle("bearings"), null, 1, OnnxEngine::open)) {
            assertEquals("model.int8.onnx", detector.file());
            assertEquals(4, detector.window());
            assertEquals(12, detector.format().features().size());
            assertEquals("hold", detector.format().missing());
            assertNull(detector.format().periodSeconds());
            assertEquals(new AlarmPolicy(3, 5, 20), detector.policy());
            assertEquals(299.51953125, detector.threshold().threshold(), 0);
        }
    }

    @Test
    public void oneWindowAloneHasTheScoreOfTheGolden() throws Exception {
        try (Detector detector = Detector.open(Given.bundle("nab"), null, 1, OnnxEngine::open)) {
            Goldens.OfSamples golden = Goldens.samples(detector.bundle()).get(0);
            assertEquals(golden.scores().get("model.onnx"), detector.scoreWindow(golden.window()), 1e-5);
        }
    }

    @Test
    public void aFileWithoutThresholdIsRefusedWithTheNextStep() throws Exception {
        refused("has no threshold for model.onnx: run `penjing calibrate`", "nab", "\"thresholds\"", "\"others\"");
    }

    @Test
    public void valuesThatContradictEachOtherAreRefused() throws Exception {
        refused("an alarm policy of 9 of 1 samples", "nab", "\"count\": 1", "\"count\": 9");
        refused("the policy of the manifest lacks", "nab", "\"count\": 1", "\"counts\": 1");
        refused("one name of its own", "bearings", "\"kurtosis\"", "\"crest\"");
        refused("missing is 'guess'", "nab", "\"hold\"", "\"guess\"");
        refused("period_seconds -300.0", "nab", "\"period_seconds\": 300.0", "\"period_seconds\": -300.0");
        refused("as many typical values", "nab", "71.03955791", "1, 2");
        refused("method is 'guess'", "nab", "\"conformal\"", "\"guess\"");
        refused("ascending quantiles", "nab", "\"quantiles\": [", "\"quantiles\": [9e9, ");
        refused("knows 'threshold': update the app", "nab", "\"function\": \"threshold\"", "\"function\": \"sum\"");
        refused("are of two bundles", "nab", "\"max_length\": 16", "\"max_length\": 15");
    }
}
