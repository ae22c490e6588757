package org.penjing.core;

/**
 * Base of all errors whose message is for the user: it names the value, what is allowed, and the next step.
 *
 * <p>Left out: faults of the program itself, which stay what Java makes of them.
 */
public class PenjingException extends Exception {
    private static final long serialVersionUID = 1;

    public PenjingException(String message) {
        super(message);
    }

    public PenjingException(String message, Throwable cause) {
        super(message, cause);
    }
}
