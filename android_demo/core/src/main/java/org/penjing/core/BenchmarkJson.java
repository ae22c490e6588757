package org.penjing.core;

import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * A benchmark's result as JSON of the shape that {@code penjing.benchmarks.results.Run} has. What is not measured here
 * stands as an empty list; the reader makes noise floors of the twin.
 *
 * <p>Left out: reading it.
 */
final class BenchmarkJson {
    private final BenchmarkResult result;
    private final Device device;

    BenchmarkJson(BenchmarkResult result, Device device) {
        this.result = result;
        this.device = device;
    }

    JSONObject write() {
        try {
            JSONObject run = new JSONObject();
            run.put("target", "android").put("started", utc(result.started)).put("machine", machine());
            run.put("settings", settings()).put("subjects", subjects()).put("measurements", measurements());
            for (String none : new String[] {"noise_floors", "comparisons", "wrapper", "profiles"}) {
                run.put(none, new JSONArray());
            }
            return run.put("memory", memory()).put("sensors", sensors()).put("schema_version", 1);
        } catch (JSONException error) {
            throw new IllegalStateException("JSON has no word for a value", error);
        }
    }

    private JSONObject machine() {
        JSONObject packages = new JSONObject();
        for (Map.Entry<String, String> entry : device.versions().entrySet()) {
            packages.put(entry.getKey(), entry.getValue());
        }
        return new JSONObject().put("cpu", device.cpu()).put("architecture", device.architecture())
                .put("cores", device.cores()).put("isa", new JSONArray()).put("memory_mb", device.memoryMb())
                .put("virtual", device.virtual()).put("system", device.system()).put("python", "")
                .put("packages", packages).put("governor", JSONObject.NULL).put("load_average", JSONObject.NULL)
                .put("busy_share", JSONObject.NULL);
    }

    private JSONObject settings() {
        BenchmarkPlan plan = result.plan;
        boolean sustained = plan.mode() == BenchmarkPlan.Mode.SUSTAINED;
        return new JSONObject().put("lengths", new JSONArray().put(result.questions.length()))
                .put("threads", new JSONArray().put(plan.threads())).put("rounds", plan.rounds())
                .put("repeats", plan.repeats()).put("texts", result.questions.size()).put("cold_rounds", 0)
                .put("seed", plan.seed()).put("mode", mode()).put("questions_hash", "")
                .put("seconds", sustained ? plan.seconds() : JSONObject.NULL);
    }

    private JSONArray subjects() {
        JSONArray subjects = new JSONArray();
        for (String file : result.files) {
            BundleFile entry = result.bundle.manifest().files().get(file);
            subjects.put(subject(file).put("bytes", entry.bytes()).put("sha256", entry.sha256())
                    .put("label", file).put("quality", quality(file)));
        }
        return subjects;
    }

    private Object quality(String file) {
        for (Quality quality : result.bundle.manifest().quality()) {
            if (quality.file().equals(file)) {
                return new JSONObject().put("file", file).put("metric", quality.metric()).put("split", quality.split())
                        .put("n", quality.n()).put("value", quality.value()).put("low", quality.low())
                        .put("high", quality.high());
            }
        }
        return JSONObject.NULL;
    }

    private JSONArray measurements() {
        JSONArray measurements = new JSONArray();
        for (Measurement measurement : result.measurements()) {
            measurements.put(subject(measurement.file).put("subject", measurement.label())
                    .put("condition", condition(measurement)).put("rounds", measurement.starts().length)
                    .put("samples_ms", numbers(measurement.samples(), 1e6))
                    .put("starts", numbers(measurement.starts(), 1e3)).put("settled", measurement.settled())
                    .put("passes", measurement.passes));
        }
        return measurements;
    }

    private JSONObject condition(Measurement measurement) {
        Object length = measurement.length() == 0 ? JSONObject.NULL : measurement.length();
        return new JSONObject().put("kind", measurement.kind()).put("sequence_length", length)
                .put("threads", result.plan.threads()).put("mode", mode());
    }

    private JSONObject subject(String file) {
        BundleFile entry = result.bundle.manifest().files().get(file);
        String precision = entry.precision() == null ? "fp32" : entry.precision();
        return new JSONObject().put("bundle", result.bundle.name()).put("file", file).put("engine", entry.format())
                .put("precision", precision);
    }

    private JSONArray memory() {
        JSONArray memory = new JSONArray();
        for (BenchmarkResult.Memory use : result.memory()) {
            JSONArray stages = new JSONArray().put(stage("baseline", use.before()))
                    .put(stage("engine loaded", Double.NaN)).put(stage("model loaded", use.opened()))
                    .put(stage("first inference", use.first())).put(stage("peak", use.after()));
            memory.put(new JSONObject().put("subject", use.file()).put("threads", result.plan.threads())
                    .put("stages", stages).put("arena_mb", JSONObject.NULL).put("rounds", 1));
        }
        return memory;
    }

    private static JSONObject stage(String name, double pss) {
        JSONObject stage = new JSONObject().put("name", name).put("pss_mb", number(pss));
        for (String untold : new String[] {"rss_mb", "private_dirty_mb", "mapped_file_mb", "peak_mb"}) {
            stage.put(untold, JSONObject.NULL);
        }
        return stage;
    }

    private JSONArray sensors() {
        JSONArray sensors = new JSONArray();
        for (Device.Reading reading : device.readings()) {
            sensors.put(new JSONObject().put("at", reading.at()).put("temperature_c", number(reading.temperatureC()))
                    .put("clock_mhz", number(reading.clockMhz())));
        }
        return sensors;
    }

    private String mode() {
        return result.plan.mode().name().toLowerCase(Locale.ROOT);
    }

    private static Object number(double value) {
        return Double.isNaN(value) || Double.isInfinite(value) ? JSONObject.NULL : value;
    }

    /** Rounded to one part of {@code unit}, but never to nothing. */
    private static JSONArray numbers(double[] values, double unit) {
        JSONArray numbers = new JSONArray();
        for (double value : values) {
            numbers.put(Math.max(1, Math.rint(value * unit)) / unit);
        }
        return numbers;
    }

    private static String utc(double seconds) {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        return format.format(new Date((long) (seconds * 1000)));
    }
}
