package org.penjing.core;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Runs the benchmark of `core` on this JVM and writes its JSON: BUNDLE MODE ROUNDS REPEATS LENGTH THREADS SECONDS OUT.
 *
 * <p>Stands in for the app where there is no phone. Left out: memory and temperature, which the app asks its system.
 */
final class BenchmarkMain {
    private BenchmarkMain() {}

    public static void main(String[] arguments) throws Exception {
        Bundle bundle = Bundle.open(new FolderSource(new File(arguments[0])));
        BenchmarkPlan plan = new BenchmarkPlan(
                BenchmarkPlan.Mode.valueOf(arguments[1].toUpperCase(java.util.Locale.ROOT)),
                Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]), Integer.parseInt(arguments[5]),
                Integer.parseInt(arguments[4]), Double.parseDouble(arguments[6]), 1);
        BenchmarkResult result = Benchmark.run(bundle, plan, OnnxEngine::open, () -> Double.NaN, Progress.none());
        Files.writeString(Path.of(arguments[7]), result.toJson(thisJvm()).toString());
    }

    static Device thisJvm() {
        double now = System.currentTimeMillis() / 1e3;
        return new Device(
                "a desk", System.getProperty("os.arch"), Runtime.getRuntime().availableProcessors(), 1, "JVM", true,
                Map.of("onnxruntime", "1.29.0"), List.of(new Device.Reading(now, 30.5, Double.NaN)));
    }
}
