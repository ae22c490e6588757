package org.penjing.core;

import java.util.Collections;
import java.util.List;
import org.json.JSONObject;

/**
 * What a benchmark found: measurements of each file, the first one's twin among them, and memory.
 *
 * <p>Left out: verdicts: {@code penjing compare} reads the JSON and judges it.
 */
public final class BenchmarkResult {
    /** MB of one file before it was opened, after, after its first answer, and after some more; NaN where unknown. */
    public record Memory(String file, double before, double opened, double first, double after) {}

    final double started;
    final Bundle bundle;
    final BenchmarkPlan plan;
    final Questions questions;
    final List<String> files;
    private final List<Measurement> measurements;
    private final List<Memory> memory;

    BenchmarkResult(double started, Bundle bundle, BenchmarkPlan plan, Questions questions, List<String> files,
            List<Measurement> measurements, List<Memory> memory) {
        this.started = started;
        this.bundle = bundle;
        this.plan = plan;
        this.questions = questions;
        this.files = files;
        this.measurements = Collections.unmodifiableList(measurements);
        this.memory = Collections.unmodifiableList(memory);
    }

    /** The engines alone first, then whole answers; in each the files in the order of preference, then the twin. */
    public List<Measurement> measurements() {
        return measurements;
    }

    public List<Memory> memory() {
        return memory;
    }

    public BenchmarkPlan plan() {
        return plan;
    }

    /** As {@code penjing.benchmarks.results.Run} reads it (schema version 1). */
    public JSONObject toJson(Device device) {
        return new BenchmarkJson(this, device).write();
    }
}
