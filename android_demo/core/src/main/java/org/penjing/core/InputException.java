package org.penjing.core;

/**
 * A text or a sample that cannot be answered.
 *
 * <p>Left out: what a model thinks of it.
 */
public final class InputException extends PenjingException {
    private static final long serialVersionUID = 1;

    public InputException(String message) {
        super(message);
    }

    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
