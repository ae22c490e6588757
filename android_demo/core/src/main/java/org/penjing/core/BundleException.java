package org.penjing.core;

/**
 * A bundle is incomplete, changed, of an unknown version, or of another kind than was asked for.
 *
 * <p>Left out: engines that refuse a good bundle ({@link EngineException}).
 */
public final class BundleException extends PenjingException {
    private static final long serialVersionUID = 1;

    public BundleException(String message) {
        super(message);
    }

    public BundleException(String message, Throwable cause) {
        super(message, cause);
    }
}
