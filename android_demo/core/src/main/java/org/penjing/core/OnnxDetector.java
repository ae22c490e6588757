package org.penjing.core;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;

/**
 * A detector in ONNX Runtime. The tensors of the window and of the score are made once and lie in buffers that every
 * call uses again; what ONNX Runtime's own Java code takes in a call remains.
 *
 * <p>Left out: batches, and the series ({@link DetectorStream}).
 */
final class OnnxDetector implements Engine {
    private static final String INPUT = "samples";
    private static final String OUTPUT = "scores";

    private final OnnxSession session;
    private final FloatBuffer samples;
    private final FloatBuffer answer;
    private final Map<String, OnnxTensor> feed;
    private final Map<String, OnnxTensor> outputs;

    OnnxDetector(OnnxSession session, Manifest manifest) throws PenjingException {
        this.session = session;
        int window = manifest.maxLength();
        int channels = SampleFormat.parse(manifest.preprocess()).features().size();
        checkInput(window, channels);
        long[] shape = session.floatOutput(OUTPUT);
        if (shape == null) {
            throw new BundleException(session.file + " has no float output '" + OUTPUT + "': copy the bundle again");
        }
        Arrays.fill(shape, 1);
        samples = Buffers.direct(Math.multiplyExact(4 * window, channels)).asFloatBuffer();
        answer = Buffers.direct(4).asFloatBuffer();
        try {
            feed = Collections.singletonMap(INPUT,
                    OnnxTensor.createTensor(session.environment, samples, new long[] {1, window, channels}));
            outputs = Collections.singletonMap(OUTPUT, OnnxTensor.createTensor(session.environment, answer, shape));
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
    public float[] logits(int[] inputIds) {
        throw new UnsupportedOperationException("a detector answers no text");
    }

    @Override
    public FloatBuffer samples() {
        return samples;
    }

    @Override
    public float score() throws EngineException {
        session.run(feed, outputs);
        return answer.get(0);
    }

    @Override
    public void close() {
        feed.values().forEach(OnnxTensor::close);
        outputs.values().forEach(OnnxTensor::close);
        session.close();
    }

    private void checkInput(int window, int channels) throws PenjingException {
        Map<String, NodeInfo> inputs = session.inputs();
        NodeInfo input = inputs.get(INPUT);
        if (inputs.size() == 1 && input != null && input.getInfo() instanceof TensorInfo tensor
                && tensor.type == OnnxJavaType.FLOAT && isWindow(tensor.getShape(), window, channels)) {
            return;
        }
        throw new BundleException(session.file + " takes " + inputs.values() + ", the manifest says " + INPUT
                + " of float [" + window + ", " + channels + "]: model and manifest are of two bundles, copy it again");
    }

    private static boolean isWindow(long[] shape, int window, int channels) {
        return shape.length == 3 && shape[1] == window && shape[2] == channels;
    }
}
