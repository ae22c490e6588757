package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

/**
 * A benchmark takes as many samples as its plan says, can be stopped, and gives the JSON that `penjing compare` reads.
 *
 * <p>Left out: how long anything takes.
 */
public final class BenchmarkTest {
    private static BenchmarkPlan plan(BenchmarkPlan.Mode mode, int rounds, int repeats, int length, double seconds) {
        return new BenchmarkPlan(mode, rounds, repeats, 1, length, seconds, 1);
    }

    private static BenchmarkResult run(String bundle, BenchmarkPlan plan) throws Exception {
        return Benchmark.run(Given.bundle(bundle), plan, OnnxEngine::open, () -> 12.5, Progress.none());
    }

    @Test
    public void aBurstOfTextsTimesEveryFileAndTheFirstOneTwice() throws Exception {
        BenchmarkResult result = run("assistant", plan(BenchmarkPlan.Mode.BURST, 4, 2, 16, 1));
        int texts = 4 * Goldens.texts(Given.bundle("assistant")).size();
        List<String> found = new ArrayList<>();
        for (Measurement measurement : result.measurements()) {
            found.add(measurement.kind() + " " + measurement.label() + " " + measurement.samples().length);
            assertTrue(measurement.percentile(50) > 0);
            assertEquals(4, measurement.starts().length);
        }
        assertEquals(
                List.of("warm model.int8.onnx 8", "warm model.onnx 8", "warm model.int8.onnx (A/A) 8",
                        "text model.int8.onnx " + texts, "text model.onnx " + texts,
                        "text model.int8.onnx (A/A) " + texts),
                found);
        assertEquals(12.5, result.memory().get(1).after(), 0);
    }

    @Test
    public void aBurstOfSamplesTimesTheWindowAndTheStream() throws Exception {
        BenchmarkResult result = run("nab", plan(BenchmarkPlan.Mode.BURST, 5, 3, 0, 1));
        assertEquals(4, result.measurements().size());
        assertEquals("window", result.measurements().get(0).kind());
        assertEquals(16, result.measurements().get(0).length());
        assertEquals(15, result.measurements().get(0).samples().length);
        assertEquals("stream", result.measurements().get(3).kind());
    }

    @Test
    public void aSustainedRunLastsAndTimesTheEnginesAlone() throws Exception {
        BenchmarkResult result = run("nab", plan(BenchmarkPlan.Mode.SUSTAINED, 5, 3, 0, 2.5));
        assertEquals(2, result.measurements().size());
        for (Measurement measurement : result.measurements()) {
            assertEquals(3 * measurement.starts().length, measurement.samples().length);
        }
    }

    @Test
    public void aPacedRunAsksOnceASecond() throws Exception {
        Measurement measured = run("nab", plan(BenchmarkPlan.Mode.PACED, 1, 1, 0, 1)).measurements().get(0);
        assertEquals(1, measured.samples().length);
    }

    @Test
    public void textsAsSamplesMakeNoStream() throws Exception {
        BenchmarkResult result = run("odd-requests", plan(BenchmarkPlan.Mode.BURST, 1, 1, 0, 1));
        assertEquals("window", result.measurements().get(result.measurements().size() - 1).kind());
    }

    @Test
    public void aRunThatIsStoppedKeepsNothing() throws Exception {
        Progress stops = new Progress() {
            private double share;

            @Override
            public void at(double done) {
                assertTrue("it never goes back", done >= share);
                share = done;
            }

            @Override
            public boolean cancelled() {
                return share >= 0.4;
            }
        };
        Bundle bundle = Given.bundle("nab");
        BenchmarkPlan plan = plan(BenchmarkPlan.Mode.BURST, 5, 3, 0, 1);
        assertThrows(
                StoppedException.class, () -> Benchmark.run(bundle, plan, OnnxEngine::open, () -> 0, stops));
    }

    @Test
    public void aPlanThatMeasuresNothingIsRefused() throws Exception {
        Bundle bundle = Given.bundle("assistant");
        for (BenchmarkPlan plan : List.of(
                plan(BenchmarkPlan.Mode.BURST, 0, 1, 8, 1), plan(BenchmarkPlan.Mode.BURST, 1, 1, 1, 1),
                plan(BenchmarkPlan.Mode.BURST, 1, 1, 129, 1), plan(BenchmarkPlan.Mode.SUSTAINED, 1, 1, 8, 0))) {
            assertThrows(
                    plan.toString(), InputException.class,
                    () -> Benchmark.run(bundle, plan, OnnxEngine::open, () -> 0, Progress.none()));
        }
    }

    @Test
    public void theJsonHasTheShapeOfARun() throws Exception {
        BenchmarkResult result = run("nab", plan(BenchmarkPlan.Mode.BURST, 5, 3, 0, 1));
        JSONObject run = new JSONObject(result.toJson(BenchmarkMain.thisJvm()).toString());
        assertEquals(1, run.getInt("schema_version"));
        assertTrue(run.getString("started").endsWith("+00:00"));
        assertEquals("burst", run.getJSONObject("settings").getString("mode"));
        assertEquals(0, run.getJSONArray("noise_floors").length());
        JSONArray measurements = run.getJSONArray("measurements");
        assertEquals("model.onnx (A/A)", measurements.getJSONObject(1).getString("subject"));
        assertEquals(15, measurements.getJSONObject(0).getJSONArray("samples_ms").length());
        assertEquals("auc_roc", run.getJSONArray("subjects").getJSONObject(0).getJSONObject("quality").get("metric"));
        assertTrue(run.getJSONArray("sensors").getJSONObject(0).isNull("clock_mhz"));
    }

    @Test
    public void theWarmUpEndsWhereTheTimesHaveOneLevel() {
        double[] logs = new double[40];
        for (int i = 0; i < logs.length; i++) {
            logs[i] = (i < 12 ? 1 : 0) + 0.001 * (i % 5);
        }
        assertEquals(12, WarmUp.lastChange(logs));
        assertEquals(0, WarmUp.lastChange(new double[30]));
        logs[30] = 5;  // one slow call is an outlier, not a level
        assertEquals(12, WarmUp.lastChange(logs));
    }

    @Test
    public void percentilesAreThoseOfNumpy() {
        double[] values = {4, 1, 3, 2};
        assertEquals(2.5, Measurement.percentile(values, 50), 1e-12);
        assertEquals(3.7, Measurement.percentile(values, 90), 1e-12);
        assertEquals(4, values[0], 0);
    }
}
