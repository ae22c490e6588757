package org.penjing.core;

import java.nio.FloatBuffer;
import org.json.JSONObject;

/**
 * A detector bundle that answers: a window of samples in, a score out, higher for more anomalous ones.
 *
 * <p>Left out: series ({@link DetectorStream}), which features drove a score, and detectors of texts, whose windows of
 * token ids are scored but not made.
 */
public final class Detector implements AutoCloseable {
    private final Bundle bundle;
    private final String file;
    private final Engine engine;
    private final SampleFormat format;
    private final Threshold threshold;
    private final AlarmPolicy policy;

    private Detector(Bundle bundle, String file, Engine engine, SampleFormat format, Threshold threshold,
            AlarmPolicy policy) {
        this.bundle = bundle;
        this.file = file;
        this.engine = engine;
        this.format = format;
        this.threshold = threshold;
        this.policy = policy;
    }

    /** Opens the preferred file of a precision ("int8", "fp32"; null for any). Its user closes it. */
    public static Detector open(Bundle bundle, String precision, int threads, EngineFactory factory)
            throws PenjingException {
        return openFile(bundle, bundle.modelFile(null, precision), threads, factory);
    }

    /** As {@link #open}, for a model file by its name. */
    public static Detector openFile(Bundle bundle, String file, int threads, EngineFactory factory)
            throws PenjingException {
        Manifest manifest = bundle.manifest();
        check(manifest);
        SampleFormat format = SampleFormat.parse(manifest.preprocess());
        Threshold threshold = threshold(manifest, file);
        AlarmPolicy policy = policy(manifest);
        Engine engine = factory.open(bundle.verified(file), manifest, file, threads);
        return new Detector(bundle, file, engine, format, threshold, policy);
    }

    /** The score of one window [window * channels], oldest sample first. Every value must be there and finite. */
    public float scoreWindow(float[] window) throws PenjingException {
        if (window.length != window() * format.features().size()) {
            throw new InputException("a window has " + window.length + " values, the detector takes " + window()
                    + " times " + format.features().size() + ": cut the series into windows, or push it into a stream");
        }
        SampleChecks.refuseInfinite(window, format.features());
        SampleChecks.refuseMissing(window, format.features());
        FloatBuffer samples = engine.samples();
        Buffers.clear(samples);
        samples.put(window);
        return score();
    }

    /** Samples in one window. */
    public int window() {
        return bundle.manifest().maxLength();
    }

    public SampleFormat format() {
        return format;
    }

    /** The threshold of this file; throws when it has none. */
    public Threshold threshold() throws BundleException {
        if (threshold == null) {
            throw new BundleException(bundle.name() + " has no threshold for " + file
                    + ": run `penjing calibrate` on the bundle");
        }
        return threshold;
    }

    public AlarmPolicy policy() {
        return policy;
    }

    /** The name of the model file. */
    public String file() {
        return file;
    }

    public Bundle bundle() {
        return bundle;
    }

    public Engine engine() {
        return engine;
    }

    /** A series that is pushed sample by sample; it uses this detector's engine. Throws for a detector of texts. */
    public DetectorStream stream() throws PenjingException {
        if (format.kind().equals(SampleFormat.TEXTS)) {
            throw new BundleException(bundle.name() + " takes texts, each a sample of its own: it has no series");
        }
        return new DetectorStream(this);
    }

    @Override
    public void close() {
        engine.close();
    }

    /** Of what the engine's buffer holds. */
    float score() throws EngineException {
        float score = engine.score();
        if (Float.isNaN(score) || Float.isInfinite(score)) {
            throw new EngineException(file + " answered with a score that is not a number: run the self-test");
        }
        return score;
    }

    private static void check(Manifest manifest) throws BundleException {
        if (!manifest.isDetector()) {
            throw new BundleException(manifest.name() + " is for " + manifest.task()
                    + ", no detector: use it for texts");
        }
        String function = manifest.postprocess().optString("function");
        if (!function.equals("threshold")) {
            throw new BundleException(manifest.name() + " asks for '" + function
                    + "' after the scores, this app knows 'threshold': update the app");
        }
    }

    private static Threshold threshold(Manifest manifest, String file) throws BundleException {
        JSONObject thresholds = manifest.postprocess().optJSONObject("thresholds");
        JSONObject raw = thresholds == null ? null : thresholds.optJSONObject(file);
        return raw == null ? null : Threshold.parse(raw);
    }

    private static AlarmPolicy policy(Manifest manifest) throws BundleException {
        JSONObject raw = manifest.postprocess().optJSONObject("policy");
        return AlarmPolicy.parse(raw == null ? new JSONObject() : raw);
    }
}
