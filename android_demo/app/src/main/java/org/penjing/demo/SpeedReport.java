package org.penjing.demo;

import android.content.Context;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.penjing.core.Benchmark;
import org.penjing.core.BenchmarkPlan;
import org.penjing.core.BenchmarkResult;
import org.penjing.core.Bundle;
import org.penjing.core.Device;
import org.penjing.core.Engine;
import org.penjing.core.EngineFactory;
import org.penjing.core.PenjingException;
import org.penjing.core.Progress;

/**
 * A benchmark and the device it ran on, with its temperature on the way; {@code penjing compare} reads the JSON.
 *
 * <p>Left out: measuring, which the core does, and verdicts.
 */
record SpeedReport(String bundle, BenchmarkResult result, Device device) {
    private static final double SECONDS_BETWEEN_READINGS = 10;

    static SpeedReport measure(
            Context context, Bundle bundle, BenchmarkPlan plan, EngineFactory engines, Progress progress)
            throws PenjingException {
        Map<String, String> versions = new TreeMap<>();
        EngineFactory remembering = (model, manifest, file, threads) -> {
            Engine engine = engines.open(model, manifest, file, threads);
            versions.put(engine.name().equals("onnx") ? "onnxruntime" : "tensorflow-lite", engine.version());
            return engine;
        };
        Thermometer thermometer = new Thermometer(context, progress);
        BenchmarkResult result = Benchmark.run(bundle, plan, remembering, Phone::memoryMb, thermometer);
        thermometer.read();
        return new SpeedReport(bundle.name(), result, Phone.device(context, versions, thermometer.readings));
    }

    String json() {
        return result.toJson(device).toString();
    }

    /** Reads the battery's temperature between two rounds, now and then. */
    private static final class Thermometer implements Progress {
        final List<Device.Reading> readings = Collections.synchronizedList(new ArrayList<>());
        private final Context context;
        private final Progress progress;
        private double last;

        Thermometer(Context context, Progress progress) {
            this.context = context;
            this.progress = progress;
            read();
        }

        void read() {
            last = System.currentTimeMillis() / 1e3;
            readings.add(new Device.Reading(last, Phone.batteryTemperature(context), Double.NaN));
        }

        @Override
        public void at(double share) {
            progress.at(share);
            if (System.currentTimeMillis() / 1e3 - last >= SECONDS_BETWEEN_READINGS) {
                read();
            }
        }

        @Override
        public boolean cancelled() {
            return progress.cancelled();
        }
    }
}
