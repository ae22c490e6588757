package org.penjing.core;

/**
 * An engine is missing or refuses a file.
 *
 * <p>Left out: files that are not what the manifest says ({@link BundleException}).
 */
public final class EngineException extends PenjingException {
    private static final long serialVersionUID = 1;

    public EngineException(String message) {
        super(message);
    }

    public EngineException(String message, Throwable cause) {
        super(message, cause);
    }
}
