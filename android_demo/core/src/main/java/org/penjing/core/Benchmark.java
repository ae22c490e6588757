package org.penjing.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Measures the ONNX files of a bundle side by side, as {@code penjing bench} does; the first one takes part twice, so
 * that chance shows (A/A). What is asked are the bundle's goldens.
 *
 * <p>Left out: cold starts, which need fresh processes, and comparing, which {@code penjing compare} does.
 */
public final class Benchmark {
    private static final int INFERENCES = 20;

    private final Bundle bundle;
    private final BenchmarkPlan plan;
    private final EngineFactory factory;
    private final List<String> files = new ArrayList<>();
    private final Questions questions;

    private Benchmark(Bundle bundle, BenchmarkPlan plan, EngineFactory factory) throws PenjingException {
        this.bundle = bundle;
        this.plan = plan;
        this.factory = factory;
        questions = Questions.of(bundle, plan.length());
        for (String file : bundle.modelFiles()) {
            if (bundle.manifest().files().get(file).format().equals("onnx")) {
                files.add(file);
            }
        }
        if (files.isEmpty()) {
            throw new BundleException(bundle.name() + " has no ONNX file to measure: export one with `penjing run`");
        }
    }

    /** Throws InputException on a plan that measures nothing, StoppedException when the user stops it. */
    public static BenchmarkResult run(
            Bundle bundle, BenchmarkPlan plan, EngineFactory factory, MemoryProbe probe, Progress progress)
            throws PenjingException {
        plan.check();
        return new Benchmark(bundle, plan, factory).measure(probe, progress);
    }

    private BenchmarkResult measure(MemoryProbe probe, Progress progress) throws PenjingException {
        double started = TimingLoop.now();
        List<BenchmarkResult.Memory> memory = new ArrayList<>();
        for (String file : files) {
            memory.add(memoryOf(file, probe));
        }
        List<Measurement> engine = new ArrayList<>();
        List<Measurement> answers = new ArrayList<>();
        for (String label : labels()) {
            String file = fileOf(label);
            engine.add(new Measurement(label, file, questions.engineKind(), questions.length(), plan.passes()));
            answers.add(new Measurement(label, file, questions.answerKind(), 0, plan.passes()));
        }
        boolean answer = plan.mode() != BenchmarkPlan.Mode.SUSTAINED && questions.answerKind() != null;
        for (int part = 0; part < plan.passes(); part++) {
            pass(part, engine, answer ? answers : new ArrayList<>(), progress);
        }
        progress.at(1);
        if (answer) {
            engine.addAll(answers);
        }
        return new BenchmarkResult(started, bundle, plan, questions, files, engine, memory);
    }

    /** All conditions once, with engines opened anew. */
    private void pass(int part, List<Measurement> engine, List<Measurement> answers, Progress progress)
            throws PenjingException {
        List<Contender> contenders = new ArrayList<>();
        try {
            for (Measurement measurement : engine) {
                contenders.add(Contender.open(bundle, measurement.file, questions, plan.threads(), factory));
            }
            double share = (answers.isEmpty() ? 1.0 : 0.5) / plan.passes();
            double done = (double) part / plan.passes();
            time(part, contenders, engine, true, new Stage(progress, done, share));
            if (!answers.isEmpty()) {
                time(part, contenders, answers, false, new Stage(progress, done + share, share));
            }
        } finally {
            for (Contender contender : contenders) {
                contender.close();
            }
        }
    }

    private void time(int part, List<Contender> contenders, List<Measurement> into, boolean engine, Stage stage)
            throws PenjingException {
        List<TimingLoop.Call> calls = new ArrayList<>();
        for (Contender contender : contenders) {
            calls.add(engine ? contender.engine() : contender.answer());
        }
        int rounds = plan.rounds() / plan.passes();
        boolean share = !engine && plan.mode() != BenchmarkPlan.Mode.PACED;
        int repeats = share ? (questions.size() + rounds - 1) / rounds : plan.repeats();
        TimingLoop loop = new TimingLoop(calls, plan, rounds, repeats, new Random(plan.seed() + part), stage);
        loop.run(into);
    }

    /** One file alone: before it is opened, after, after its first answer, and after some more. */
    private BenchmarkResult.Memory memoryOf(String file, MemoryProbe probe) throws PenjingException {
        double before = probe.pssMb();
        try (Contender contender = Contender.open(bundle, file, questions, plan.threads(), factory)) {
            double opened = probe.pssMb();
            contender.engine().ask(0);
            double first = probe.pssMb();
            for (int i = 1; i < INFERENCES; i++) {
                contender.engine().ask(i);
            }
            return new BenchmarkResult.Memory(file, before, opened, first, probe.pssMb());
        }
    }

    private List<String> labels() {
        List<String> labels = new ArrayList<>(files);
        labels.add(files.get(0) + Measurement.TWIN);
        return labels;
    }

    private static String fileOf(String label) {
        return label.endsWith(Measurement.TWIN)
                ? label.substring(0, label.length() - Measurement.TWIN.length()) : label;
    }

    /** A part of the whole run, which tells the user how far all of it is. */
    static final class Stage {
        private final Progress progress;
        private final double start;
        private final double share;

        Stage(Progress progress, double start, double share) {
            this.progress = progress;
            this.start = start;
            this.share = share;
        }

        /** Throws when the user wants no more. */
        void at(double done) throws StoppedException {
            progress.at(start + share * Math.min(1, done));
            if (progress.cancelled()) {
                throw new StoppedException("the benchmark was stopped: nothing was kept");
            }
        }
    }
}
