package org.penjing.core;

import java.nio.ByteBuffer;

/**
 * Opens a model file in an engine, such as {@code OnnxEngine::open}; an app with two engines chooses by the format.
 *
 * <p>Left out: checking the file's hash, which {@link Bundle#verified} has done.
 */
public interface EngineFactory {
    /** Throws when the engine is missing, refuses the file, or the graph is not what the manifest says. */
    Engine open(ByteBuffer model, Manifest manifest, String file, int threads) throws PenjingException;
}
