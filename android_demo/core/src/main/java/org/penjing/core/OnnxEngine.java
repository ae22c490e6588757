package org.penjing.core;

import java.nio.ByteBuffer;

/**
 * ONNX Runtime as an engine, on the CPU: the same Java API on Android and on a desk.
 *
 * <p>Left out: NNAPI, XNNPACK and other providers, which are often slower than the CPU for small models.
 */
public final class OnnxEngine {
    private OnnxEngine() {}

    /** See {@link EngineFactory#open}. */
    public static Engine open(ByteBuffer model, Manifest manifest, String file, int threads) throws PenjingException {
        String format = manifest.files().get(file).format();
        if (!format.equals("onnx")) {
            throw new EngineException(file + " is of the format " + format
                    + ", this engine runs onnx: choose another file");
        }
        OnnxSession session = session(model, file, threads);
        try {
            return manifest.isDetector() ? new OnnxDetector(session, manifest) : new OnnxText(session, manifest);
        } catch (PenjingException | RuntimeException error) {
            session.close();
            throw error;
        }
    }

    private static OnnxSession session(ByteBuffer model, String file, int threads) throws EngineException {
        try {
            return OnnxSession.open(model, file, threads);
        } catch (LinkageError error) {
            // Three kinds: no library for this ABI, a library that does not load, and every try after a failed one.
            throw new EngineException("the library of ONNX Runtime for " + System.getProperty("os.arch")
                    + " is missing or does not load (" + Words.oneLine(error)
                    + "): install the app made for this device", error);
        }
    }
}
