package org.penjing.core;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.Map;
import java.util.Set;

/**
 * A session of ONNX Runtime with Penjing's options and errors: sequential, some threads, errors alone are logged.
 *
 * <p>Left out: what goes in and comes out ({@link OnnxText}, {@link OnnxDetector}).
 */
final class OnnxSession implements AutoCloseable {
    private static final Set<String> NOTHING_MORE = Collections.emptySet();

    final OrtEnvironment environment;
    final String file;
    final OrtSession session;

    private OnnxSession(OrtEnvironment environment, OrtSession session, String file) {
        this.environment = environment;
        this.session = session;
        this.file = file;
    }

    /** Throws LinkageError when the library is missing. */
    static OnnxSession open(ByteBuffer model, String file, int threads) throws EngineException {
        if (threads < 1) {
            throw new EngineException("threads is " + threads + ": give 1 or more");
        }
        OrtEnvironment environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            return new OnnxSession(environment, environment.createSession(model, options), file);
        } catch (OrtException error) {
            throw new EngineException("ONNX Runtime " + environment.getVersion() + " refuses " + file + ": "
                    + Words.oneLine(error), error);
        }
    }

    String version() {
        return environment.getVersion();
    }

    Map<String, NodeInfo> inputs() throws EngineException {
        try {
            return session.getInputInfo();
        } catch (OrtException error) {
            throw failed(error);
        }
    }

    /** The shape of a float output; -1 is a free dimension. Null when there is none of that name. */
    long[] floatOutput(String name) throws EngineException {
        try {
            NodeInfo output = session.getOutputInfo().get(name);
            boolean floats = output != null && output.getInfo() instanceof TensorInfo tensor
                    && tensor.type == OnnxJavaType.FLOAT;
            return floats ? ((TensorInfo) output.getInfo()).getShape() : null;
        } catch (OrtException error) {
            throw failed(error);
        }
    }

    /** Runs the graph; what it answers is written where the tensors of {@code outputs} lie. */
    void run(Map<String, OnnxTensor> feed, Map<String, OnnxTensor> outputs) throws EngineException {
        try {
            session.run(feed, NOTHING_MORE, outputs).close();
        } catch (OrtException error) {
            throw failed(error);
        }
    }

    EngineException failed(OrtException error) {
        return new EngineException("ONNX Runtime " + version() + " cannot run " + file + ": " 
                + Words.oneLine(error), error);
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException error) {
            throw new IllegalStateException("closed twice", error);
        }
    }
}
