package org.penjing.core;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A text classifier in ONNX Runtime. Its tensors lie in three buffers of the longest text, one set of tensors for each
 * length that was asked, so that a call copies the ids and nothing else.
 *
 * <p>Left out: batches and padding: a device answers one text at a time.
 */
final class OnnxText implements Engine {
    static final String OUTPUT = "logits";

    final OnnxSession session;
    private final int labels;
    private final Map<String, LongBuffer> buffers = new HashMap<>();
    private final List<Map<String, OnnxTensor>> feeds;
    private final FloatBuffer answer;
    private final Map<String, OnnxTensor> outputs;

    OnnxText(OnnxSession session, Manifest manifest) throws PenjingException {
        this.session = session;
        labels = manifest.labels().size();
        checkOutput();
        for (Map.Entry<String, NodeInfo> input : session.inputs().entrySet()) {
            buffers.put(input.getKey(), buffer(input.getValue(), manifest.maxLength()));
        }
        if (!buffers.containsKey("input_ids")) {
            throw new BundleException(session.file + " has no input 'input_ids': copy the bundle again");
        }
        feeds = new ArrayList<>(Collections.nCopies(manifest.maxLength() + 1, null));
        answer = Buffers.direct(4 * labels).asFloatBuffer();
        try {
            outputs = Collections.singletonMap(
                    OUTPUT, OnnxTensor.createTensor(session.environment, answer, new long[] {1, labels}));
        } catch (OrtException error) {
            throw session.failed(error);
        }
    }

    @Override
    public String name() {
        return "onnx";
    }

    @Override
    public String version() {
        return session.version();
    }

    @Override
    public float[] logits(int[] inputIds) throws EngineException {
        if (inputIds.length < 1 || inputIds.length >= feeds.size()) {
            throw new EngineException(inputIds.length + " tokens, " + session.file + " takes 1 to " + (feeds.size() - 1)
                    + ": cut the text");
        }
        LongBuffer ids = buffers.get("input_ids");
        for (int i = 0; i < inputIds.length; i++) {
            ids.put(i, inputIds[i]);
        }
        session.run(feed(inputIds.length), outputs);
        float[] logits = new float[labels];
        answer.duplicate().get(logits);
        return logits;
    }

    @Override
    public FloatBuffer samples() {
        return null;
    }

    @Override
    public float score() {
        throw new UnsupportedOperationException("a text classifier scores no samples");
    }

    @Override
    public void close() {
        for (Map<String, OnnxTensor> feed : feeds) {
            if (feed != null) {
                feed.values().forEach(OnnxTensor::close);
            }
        }
        outputs.values().forEach(OnnxTensor::close);
        session.close();
    }

    private Map<String, OnnxTensor> feed(int length) throws EngineException {
        Map<String, OnnxTensor> feed = feeds.get(length);
        if (feed != null) {
            return feed;
        }
        feed = new HashMap<>();
        try {
            for (Map.Entry<String, LongBuffer> entry : buffers.entrySet()) {
                LongBuffer part = entry.getValue().duplicate();
                Buffers.limit(part, length);
                feed.put(entry.getKey(), OnnxTensor.createTensor(session.environment, part, new long[] {1, length}));
            }
        } catch (OrtException error) {
            throw session.failed(error);
        }
        feeds.set(length, feed);
        return feed;
    }

    /** A mask of ones, types of zeros, and room for the ids. */
    private LongBuffer buffer(NodeInfo input, int length) throws BundleException {
        boolean ids = input.getInfo() instanceof TensorInfo tensor && tensor.type == OnnxJavaType.INT64;
        LongBuffer buffer = Buffers.direct(8 * length).asLongBuffer();
        switch (input.getName()) {
            case "input_ids", "token_type_ids" -> { }
            case "attention_mask" -> {
                for (int i = 0; i < length; i++) {
                    buffer.put(i, 1);
                }
            }
            default -> ids = false;
        }
        if (!ids) {
            throw new BundleException(session.file + " needs the input " + input + ", this app gives input_ids,"
                    + " attention_mask and token_type_ids of int64: update the app");
        }
        return buffer;
    }

    private void checkOutput() throws PenjingException {
        long[] shape = session.floatOutput(OUTPUT);
        if (shape == null || shape.length != 2 || (shape[1] >= 0 && shape[1] != labels)) {
            throw new BundleException(session.file + " has no float output '" + OUTPUT + "' for " + labels
                    + " labels: copy the bundle again");
        }
    }
}
