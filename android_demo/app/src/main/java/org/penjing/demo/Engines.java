package org.penjing.demo;

import java.nio.ByteBuffer;
import org.penjing.core.Engine;
import org.penjing.core.Manifest;
import org.penjing.core.OnnxEngine;
import org.penjing.core.PenjingException;

/**
 * The engine for a file: ONNX Runtime, or TensorFlow Lite where the app was built with it.
 *
 * <p>Left out: delegates for GPUs and NPUs: on small models they are slower, and their answers differ.
 */
final class Engines {
    private Engines() {}

    static Engine open(ByteBuffer model, Manifest manifest, String file, int threads) throws PenjingException {
        return "tflite".equals(manifest.files().get(file).format())
                ? TfliteEngine.open(model, manifest, file, threads)
                : OnnxEngine.open(model, manifest, file, threads);
    }
}
