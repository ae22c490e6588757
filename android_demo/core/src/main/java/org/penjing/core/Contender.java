package org.penjing.core;

import java.nio.FloatBuffer;

/**
 * An opened file that takes part in a benchmark: the engine alone on one input, and whole answers to the questions.
 *
 * <p>Left out: timing ({@link TimingLoop}).
 */
final class Contender implements AutoCloseable {
    private final Engine opened;
    private final TimingLoop.Call engine;
    private final TimingLoop.Call answer;

    private Contender(Engine opened, TimingLoop.Call engine, TimingLoop.Call answer) {
        this.opened = opened;
        this.engine = engine;
        this.answer = answer;
    }

    static Contender open(Bundle bundle, String file, Questions questions, int threads, EngineFactory factory)
            throws PenjingException {
        return bundle.manifest().isDetector()
                ? of(Detector.openFile(bundle, file, threads, factory), questions)
                : of(TextClassifier.openFile(bundle, file, threads, factory), questions);
    }

    /** The engine alone. */
    TimingLoop.Call engine() {
        return engine;
    }

    /** {@code predict}, or a push into a stream. */
    TimingLoop.Call answer() {
        return answer;
    }

    @Override
    public void close() {
        opened.close();
    }

    private static Contender of(TextClassifier classifier, Questions questions) {
        Engine engine = classifier.engine();
        return new Contender(
                engine, i -> engine.logits(questions.ids()), i -> classifier.predict(questions.text(i)));
    }

    private static Contender of(Detector detector, Questions questions) throws PenjingException {
        Engine engine = detector.engine();
        FloatBuffer samples = engine.samples();
        TimingLoop.Call alone = i -> {
            Buffers.clear(samples);
            samples.put(questions.window(0));
            engine.score();
        };
        return new Contender(engine, alone, questions.answerKind() == null ? null : pushes(detector, questions));
    }

    /** Pushes the last row of each window. */
    private static TimingLoop.Call pushes(Detector detector, Questions questions) throws PenjingException {
        DetectorStream stream = detector.stream();
        float[] sample = new float[detector.format().features().size()];
        return i -> {
            float[] window = questions.window(i);
            System.arraycopy(window, window.length - sample.length, sample, 0, sample.length);
            stream.push(sample, Double.NaN);
        };
    }
}
