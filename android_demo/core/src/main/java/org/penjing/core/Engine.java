package org.penjing.core;

import java.nio.FloatBuffer;

/**
 * One opened model file. It is not to be shared between threads: its buffers are used again in every call.
 *
 * <p>Left out: text ({@link WordPieceTokenizer}), and what the numbers mean ({@link TextClassifier},
 * {@link Detector}).
 */
public interface Engine extends AutoCloseable {
    /** "onnx" or "tflite". */
    String name();

    /** Of the engine's library. */
    String version();

    /** The logits of one text, given as its ids with special tokens; nothing is masked. For text models only. */
    float[] logits(int[] inputIds) throws EngineException;

    /** The direct buffer [window * channels] that {@link #score} reads, oldest sample first; null for text models. */
    FloatBuffer samples();

    /** The score of what {@link #samples} holds. For detectors only; it allocates as little as the engine lets it. */
    float score() throws EngineException;

    @Override
    void close();
}
