package org.penjing.demo;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.penjing.core.Engine;
import org.penjing.core.Manifest;

/**
 * A detector bundle that takes an accelerometer (x, y, z at 50 Hz, windows of 32), and an engine that needs no library:
 * its score is how far the force on the phone is from gravity, at most, within the window.
 *
 * <p>Left out: a model: the stream, its policy and the bundle's checks are the real ones.
 */
final class StandIn implements Engine {
    static final int WINDOW = 32;
    static final double PERIOD = 0.02;
    private static final float GRAVITY = 9.81f;

    private final FloatBuffer samples = FloatBuffer.allocate(WINDOW * 3);

    static Engine open(ByteBuffer model, Manifest manifest, String file, int threads) {
        return new StandIn();
    }

    /** Pushes the bundle as "shaking". */
    static void push() {
        try {
            File folder = new File(Bundles.pushed(), "shaking");
            Files.createDirectories(folder.toPath());
            JSONObject files = new JSONObject();
            files.put("model.onnx", file(folder, "model.onnx", "no model", "onnx").put("precision", "fp32"));
            files.put("README.md", file(folder, "README.md", "# shaking\n\nA stand-in.", "markdown"));
            files.put("goldens.jsonl", file(folder, "goldens.jsonl", goldens(), "jsonl"));
            Bundles.write(folder, manifest(files));
        } catch (IOException | JSONException | NoSuchAlgorithmException error) {
            throw new AssertionError(error);
        }
    }

    private static JSONObject file(File folder, String name, String content, String format)
            throws IOException, JSONException, NoSuchAlgorithmException {
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        Files.write(folder.toPath().resolve(name), bytes);
        StringBuilder hash = new StringBuilder();
        for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) {
            hash.append(String.format(Locale.ROOT, "%02x", b));
        }
        return new JSONObject().put("sha256", hash.toString()).put("bytes", bytes.length).put("format", format)
                .put("precision", JSONObject.NULL);
    }

    private static JSONObject manifest(JSONObject files) throws JSONException {
        JSONArray quantiles = new JSONArray();
        for (int i = 0; i <= 100; i++) {
            quantiles.put(i / 50.0);
        }
        JSONObject threshold = new JSONObject().put("method", "conformal").put("threshold", 4).put("false_alarms", 0.01)
                .put("low", 0.001).put("high", 0.02).put("n", 500).put("quantiles", quantiles);
        JSONObject policy = new JSONObject().put("count", 3).put("of", 5).put("gap", 25);
        return new JSONObject().put("schema_version", 1).put("name", "shaking").put("task", "anomaly-detection")
                .put("labels", new JSONArray().put("normal").put("anomaly")).put("max_length", WINDOW)
                .put("sequence_lengths", new JSONArray().put(WINDOW)).put("files", files)
                .put("preprocess", new JSONObject().put("features", new JSONArray().put("x").put("y").put("z"))
                        .put("typical", new JSONArray().put(0).put(0).put(9.81)).put("kind", "series")
                        .put("missing", "hold").put("largest_gap", 5).put("period_seconds", PERIOD))
                .put("postprocess", new JSONObject().put("function", "threshold").put("policy", policy)
                        .put("thresholds", new JSONObject().put("model.onnx", threshold)))
                .put("quality", new JSONArray()).put("provenance", new JSONObject());
    }

    private static String goldens() {
        return "{\"samples\": [" + "[0, 0, 9.81], ".repeat(WINDOW - 1) + "[0, 0, 12]],"
                + " \"scores\": {\"model.onnx\": 2.19}, \"alarm\": false}\n";
    }

    @Override
    public String name() {
        return "onnx";
    }

    @Override
    public String version() {
        return "0";
    }

    @Override
    public float[] logits(int[] inputIds) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FloatBuffer samples() {
        return samples;
    }

    @Override
    public float score() {
        float largest = 0;
        for (int i = 0; i < WINDOW; i++) {
            float x = samples.get(3 * i);
            float y = samples.get(3 * i + 1);
            float z = samples.get(3 * i + 2);
            largest = Math.max(largest, Math.abs((float) Math.sqrt(x * x + y * y + z * z) - GRAVITY));
        }
        return largest;
    }

    @Override
    public void close() {}
}
