package org.penjing.core;

/**
 * How much memory this process holds now; the app asks its system.
 *
 * <p>Left out: who holds it.
 */
public interface MemoryProbe {
    /** The proportional set size in MB (1e6 bytes); NaN where nobody tells. */
    double pssMb();
}
