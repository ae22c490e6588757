package org.penjing.core;

/**
 * The user stopped a benchmark, a self-test or an opening before its end.
 *
 * <p>Left out: half results: there are none.
 */
public final class StoppedException extends PenjingException {
    private static final long serialVersionUID = 1;

    public StoppedException(String message) {
        super(message);
    }

    public StoppedException(String message, Throwable cause) {
        super(message, cause);
    }
}
