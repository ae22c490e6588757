package org.penjing.core;

/**
 * One file of a bundle, as its manifest describes it. {@code precision} is null for all but models.
 *
 * <p>Left out: the graph's operations, which only the desk needs.
 */
public record BundleFile(String sha256, long bytes, String format, String precision) {}
