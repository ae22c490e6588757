package org.penjing.demo;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONException;
import org.penjing.core.Engine;
import org.penjing.core.EngineException;
import org.penjing.core.Manifest;
import org.penjing.core.PenjingException;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;

/**
 * TensorFlow Lite as an engine, for an app that is built with its library (app/build.gradle). A file has one signature
 * a length, {@code serving_<length>}; ids are padded to the smallest that fits.
 *
 * <p>Left out: delegates, and files without such signatures. This app's default is ONNX Runtime.
 */
final class TfliteEngine implements Engine {
    private static final String SIGNATURE = "serving_";

    private final Interpreter interpreter;
    private final String file;
    private final List<Integer> lengths = new ArrayList<>();
    private final Map<String, ByteBuffer> inputs = new HashMap<>();
    private final ByteBuffer output;
    private final FloatBuffer samples;

    private TfliteEngine(Interpreter interpreter, String file, Manifest manifest, int channels) {
        this.interpreter = interpreter;
        this.file = file;
        for (String key : interpreter.getSignatureKeys()) {
            if (key.startsWith(SIGNATURE)) {
                lengths.add(Integer.parseInt(key.substring(SIGNATURE.length())));
            }
        }
        Collections.sort(lengths);
        output = direct(manifest.isDetector() ? 1 : manifest.labels().size());
        int longest = lengths.isEmpty() ? 0 : lengths.get(lengths.size() - 1);
        if (manifest.isDetector()) {
            inputs.put("samples", direct(longest * channels));
        } else {
            for (String name : Arrays.asList("input_ids", "attention_mask", "token_type_ids")) {
                inputs.put(name, direct(longest));
            }
        }
        samples = manifest.isDetector() ? inputs.get("samples").asFloatBuffer() : null;
    }

    static Engine open(ByteBuffer model, Manifest manifest, String file, int threads) throws PenjingException {
        try {
            Interpreter.Options options = new Interpreter.Options();
            options.setNumThreads(threads);
            int channels = manifest.isDetector() ? manifest.preprocess().getJSONArray("features").length() : 0;
            return new TfliteEngine(new Interpreter(model, options), file, manifest, channels).checked();
        } catch (LinkageError error) {
            throw new EngineException("this app was built without TensorFlow Lite, so it cannot run " + file
                    + ": use a bundle with ONNX files, or build the app with it (app/build.gradle)", error);
        } catch (RuntimeException | JSONException error) {
            throw new EngineException("TensorFlow Lite refuses " + file + ": " + error.getMessage(), error);
        }
    }

    private TfliteEngine checked() throws EngineException {
        if (lengths.isEmpty()) {
            close();
            throw new EngineException(
                    file + " has no signature " + SIGNATURE + "<length>: export it with `penjing run`");
        }
        return this;
    }

    @Override
    public String name() {
        return "tflite";
    }

    @Override
    public String version() {
        return TensorFlowLite.runtimeVersion();
    }

    @Override
    public float[] logits(int[] inputIds) throws EngineException {
        int length = fitting(inputIds.length);
        IntBuffer ids = inputs.get("input_ids").asIntBuffer();
        IntBuffer mask = inputs.get("attention_mask").asIntBuffer();
        for (int i = 0; i < length; i++) {
            ids.put(i, i < inputIds.length ? inputIds[i] : 0);
            mask.put(i, i < inputIds.length ? 1 : 0);
        }
        run(length, 4 * length, "logits");
        float[] logits = new float[output.capacity() / 4];
        output.asFloatBuffer().get(logits);
        return logits;
    }

    @Override
    public FloatBuffer samples() {
        return samples;
    }

    @Override
    public float score() throws EngineException {
        run(lengths.get(0), inputs.get("samples").capacity(), "scores");
        return output.getFloat(0);
    }

    private int fitting(int tokens) throws EngineException {
        for (int length : lengths) {
            if (length >= tokens) {
                return length;
            }
        }
        throw new EngineException(tokens + " tokens, but " + file + " takes at most " + lengths.get(lengths.size() - 1)
                + ": cut the text");
    }

    private void run(int length, int bytes, String answer) throws EngineException {
        String signature = SIGNATURE + length;
        Map<String, Object> feed = new HashMap<>();
        for (String name : interpreter.getSignatureInputs(signature)) {
            ByteBuffer part = inputs.get(name).duplicate().order(ByteOrder.nativeOrder());
            ((Buffer) part).limit(bytes); // API 24 has it in Buffer alone
            feed.put(name, part);
        }
        ((Buffer) output).clear();
        try {
            interpreter.runSignature(feed, Collections.singletonMap(answer, output), signature);
        } catch (RuntimeException error) {
            throw new EngineException("TensorFlow Lite cannot run " + file + ": " + error.getMessage(), error);
        }
        ((Buffer) output).rewind();
    }

    @Override
    public void close() {
        interpreter.close();
    }

    private static ByteBuffer direct(int numbers) {
        return ByteBuffer.allocateDirect(4 * numbers).order(ByteOrder.nativeOrder());
    }
}
