package org.penjing.core;

import java.util.List;
import java.util.Map;

/**
 * The machine that a benchmark ran on, as the app's system tells it. {@code versions}: package to version, such as
 * "onnxruntime" to "1.29.0".
 *
 * <p>Left out: anything that tells whose it is.
 */
public record Device(
        String cpu, String architecture, int cores, int memoryMb, String system, boolean virtual,
        Map<String, String> versions, List<Reading> readings) {

    /** {@code at} in seconds since 1970; NaN where a value is not shown. */
    public record Reading(double at, double temperatureC, double clockMhz) {}
}
