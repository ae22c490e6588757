package org.penjing.core;

import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * A text bundle that answers: text in, label and probabilities out.
 *
 * <p>Left out: detectors ({@link Detector}), and several texts at once: a device is asked one by one.
 */
public final class TextClassifier implements AutoCloseable {
    static final String TOKENIZER = "tokenizer.json";

    private final Bundle bundle;
    private final String file;
    private final WordPieceTokenizer tokenizer;
    private final Engine engine;

    private TextClassifier(Bundle bundle, String file, WordPieceTokenizer tokenizer, Engine engine) {
        this.bundle = bundle;
        this.file = file;
        this.tokenizer = tokenizer;
        this.engine = engine;
    }

    /** Opens the preferred file of a precision ("int8", "fp32"; null for any). Its user closes it. */
    public static TextClassifier open(Bundle bundle, String precision, int threads, EngineFactory factory)
            throws PenjingException {
        return openFile(bundle, bundle.modelFile(null, precision), threads, factory);
    }

    /** As {@link #open}, for a model file by its name. */
    public static TextClassifier openFile(Bundle bundle, String file, int threads, EngineFactory factory)
            throws PenjingException {
        check(bundle.manifest());
        // Both take a while: the vocabulary is read while the model is opened.
        FutureTask<WordPieceTokenizer> tokenizer = new FutureTask<>(() -> tokenizer(bundle));
        new Thread(tokenizer, "tokenizer").start();
        Engine engine = factory.open(bundle.verified(file), bundle.manifest(), file, threads);
        try {
            return new TextClassifier(bundle, file, finished(tokenizer), engine);
        } catch (PenjingException | RuntimeException error) {
            engine.close();
            throw error;
        }
    }

    private static WordPieceTokenizer tokenizer(Bundle bundle) throws BundleException {
        return WordPieceTokenizer.parse(bundle.verifiedText(TOKENIZER), bundle.manifest().maxLength());
    }

    private static WordPieceTokenizer finished(FutureTask<WordPieceTokenizer> task) throws PenjingException {
        try {
            return task.get();
        } catch (ExecutionException error) {
            if (error.getCause() instanceof PenjingException known) {
                throw known;
            }
            throw new BundleException(TOKENIZER + " cannot be read as a tokenizer ("
                    + Words.oneLine(error.getCause()) + "): copy the bundle again", error.getCause());
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new StoppedException("the bundle was not opened to the end", error);
        }
    }

    /** The answer to one text. Throws InputException when it is empty or only white space. */
    public Prediction predict(String text) throws PenjingException {
        checkText(text);
        Encoding encoding = tokenizer.encode(text);
        float[] logits = engine.logits(encoding.ids());
        return decide(bundle.manifest().labels(), logits, encoding);
    }

    public Bundle bundle() {
        return bundle;
    }

    /** The name of the model file. */
    public String file() {
        return file;
    }

    public WordPieceTokenizer tokenizer() {
        return tokenizer;
    }

    public Engine engine() {
        return engine;
    }

    @Override
    public void close() {
        engine.close();
    }

    private static void check(Manifest manifest) throws BundleException {
        if (manifest.isDetector()) {
            throw new BundleException(manifest.name()
                    + " is an anomaly detector, which takes no text: use it for samples");
        }
        String function = manifest.postprocess().optString("function");
        if (!function.equals("softmax")) {
            throw new BundleException(manifest.name() + " asks for '" + function
                    + "' after the logits, this app knows 'softmax': update the app");
        }
        if (manifest.preprocess().optBoolean("pair")) {
            throw new BundleException(
                    manifest.name() + " answers two texts together, this app takes one: update the app");
        }
        if (manifest.labels().isEmpty()) {
            throw new BundleException(manifest.name() + " has no labels: copy the bundle again");
        }
    }

    private static void checkText(String text) throws InputException {
        for (int i = 0; i < text.length(); i++) {
            if (!isSpace(text.charAt(i))) {
                return;
            }
        }
        throw new InputException("the text is empty: give at least one word");
    }

    /** As Python sees it; no white space lies beyond 16 bits. */
    private static boolean isSpace(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == '\u0085';
    }

    /** The softmax in double, as Python computes it. */
    private Prediction decide(List<String> labels, float[] logits, Encoding encoding) throws EngineException {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        double total = 0;
        double[] weights = new double[logits.length];
        for (int i = 0; i < logits.length; i++) {
            weights[i] = Math.exp((double) logits[i] - logits[best]);
            total += weights[i];
        }
        if (Double.isNaN(total) || Double.isInfinite(total)) {
            throw new EngineException(file + " answered with logits that are not numbers: run the self-test");
        }
        float[] probabilities = new float[logits.length];
        for (int i = 0; i < logits.length; i++) {
            probabilities[i] = (float) (weights[i] / total);
        }
        return new Prediction(labels.get(best), best, labels, probabilities, logits, encoding.ids().length,
                encoding.truncated());
    }
}
