package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

/**
 * The answers of this code equal Python's: on the goldens of text and detector bundles, on further texts, and on series
 * of 10,000 samples.
 *
 * <p>Left out: the tokenizer alone (TokenizerParityTest).
 */
public final class ParityTest {
    private static final double LOGITS = 1e-4;
    private static final double SCORES = 1e-6;

    @Test
    public void theGoldensOfTheTextBundleAreAnsweredAsPythonDid() throws Exception {
        List<SelfTest.Row> rows = goldens("assistant");
        assertEquals(2, rows.size());
        for (SelfTest.Row row : rows) {
            assertEquals(0, row.tokenDifferences());
            assertTrue(row.toString(), row.file().contains("int8") || row.largestDifference() <= LOGITS);
        }
    }

    @Test
    public void theGoldensOfDetectorsAreAnsweredAsPythonDid() throws Exception {
        for (String name : List.of("bearings", "nab", "breast-cancer", "ecg5000", "hdfs")) {
            for (SelfTest.Row row : goldens(name)) {
                assertTrue(row.toString(), row.file().contains("int8") || row.largestDifference() <= LOGITS);
            }
        }
    }

    @Test
    public void furtherTextsAreAnsweredAsPythonDid() throws Exception {
        for (String file : List.of("model.onnx", "model.int8.onnx")) {
            JSONObject expected = Given.parity("assistant." + file + ".answers.json");
            JSONArray texts = expected.getJSONArray("texts");
            double largest = 0;
            try (TextClassifier classifier =
                    TextClassifier.openFile(Given.bundle("assistant"), file, 1, OnnxEngine::open)) {
                for (int i = 0; i < texts.length(); i++) {
                    Prediction found = classifier.predict(texts.getString(i));
                    double[] logits = Json.doubles(expected.getJSONArray("logits").getJSONArray(i));
                    assertEquals(texts.getString(i), best(logits), found.best());
                    assertEquals(expected.getJSONArray("truncated").getBoolean(i), found.truncated());
                    for (int k = 0; k < logits.length; k++) {
                        largest = Math.max(largest, Math.abs(logits[k] - found.logits()[k]));
                    }
                }
            }
            System.out.println("assistant " + file + ": " + texts.length() + " texts, largest difference " + largest);
            assertTrue("largest difference " + largest, file.contains("int8") || largest <= LOGITS);
        }
    }

    @Test
    public void scoresAndAlarmsOfLongSeriesAreThoseOfPython() throws Exception {
        for (String name : List.of("bearings", "nab", "breast-cancer", "ecg5000")) {
            for (String file : List.of("model.onnx", "model.int8.onnx")) {
                Bundle bundle = Given.bundle(name);
                if (bundle.modelFiles().contains(file)) {
                    try (Detector detector = Detector.openFile(bundle, file, 1, OnnxEngine::open)) {
                        replay(detector, Given.parity(name + "." + file + ".stream.json"));
                    }
                }
            }
        }
    }

    private static List<SelfTest.Row> goldens(String name) throws Exception {
        List<SelfTest.Row> rows = SelfTest.run(Given.bundle(name), 1, OnnxEngine::open, Progress.none());
        assertFalse(rows.isEmpty());
        for (SelfTest.Row row : rows) {
            System.out.println(name + " " + row);
            assertEquals(null, row.problem());
            assertEquals(0, row.flips());
        }
        return rows;
    }

    private static void replay(Detector detector, JSONObject expected) throws Exception {
        JSONArray samples = expected.getJSONArray("samples");
        DetectorStream stream = detector.stream();
        JSONArray alarms = new JSONArray();
        double largest = 0;
        for (int i = 0; i < samples.length(); i++) {
            boolean alarm = stream.push(
                    sample(samples.getJSONArray(i)), expected.getJSONArray("times").getDouble(i));
            double score = expected.getJSONArray("scores").optDouble(i, Double.NaN);
            assertEquals("score of sample " + i, Double.isNaN(score), Float.isNaN(stream.score()));
            if (!Double.isNaN(score)) {
                double scale = detector.threshold().scale(score);
                largest = Math.max(largest, Math.abs(score - stream.score()) / scale);
            }
            if (alarm) {
                alarms.put(i);
            }
        }
        System.out.println(detector.bundle().name() + " " + detector.file() + ": " + stream.seen() + " samples, "
                + alarms.length() + " alarms, largest relative difference " + largest);
        assertEquals(10_000, stream.seen());
        assertEquals(expected.getJSONArray("alarms").toString(), alarms.toString());
        assertTrue("largest difference " + largest, detector.file().contains("int8") || largest <= SCORES);
    }

    private static float[] sample(JSONArray row) {
        float[] sample = new float[row.length()];
        for (int i = 0; i < sample.length; i++) {
            sample[i] = (float) row.optDouble(i, Double.NaN);
        }
        return sample;
    }

    private static int best(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }
}
