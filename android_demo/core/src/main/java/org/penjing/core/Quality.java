package org.penjing.core;

/**
 * What one model file reached on real data: a metric on {@code n} rows of a split, with its 95% interval.
 *
 * <p>Left out: how many decisions differ from the student's before the export.
 */
public record Quality(String file, String metric, String split, int n, double value, double low, double high) {}
