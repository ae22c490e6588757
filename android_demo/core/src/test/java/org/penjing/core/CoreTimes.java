package org.penjing.core;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtSession;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONObject;

/**
 * What `core` costs on this JVM, as one JSON object: TEXT_BUNDLE DETECTOR_BUNDLE TEST_TSV [first].
 *
 * <p>{@code first_answer_ms} is from the start of {@code main} to the first answer, so it means something in a fresh
 * process alone ({@code first} stops there); {@code process_ms} counts from the start of the process. {@code
 * core_share} is what {@code predict} takes beyond ONNX Runtime called by hand on the same ids, over the latter: of
 * each text the medians of calls side by side, of all texts the one in the middle. Left out: intervals, which several
 * processes give.
 */
final class CoreTimes {
    private static final int ROUNDS = 60;
    private static final long TOKENIZE_NS = 2_000_000_000L;

    private CoreTimes() {}

    public static void main(String[] arguments) throws Exception {
        long start = System.nanoTime();
        Bundle bundle = Bundle.open(new FolderSource(new File(arguments[0])));
        JSONObject times = new JSONObject();
        try (TextClassifier classifier = TextClassifier.open(bundle, null, 1, OnnxEngine::open)) {
            classifier.predict("wake me at six");
            times.put("first_answer_ms", (System.nanoTime() - start) / 1e6);
            long process = ManagementFactory.getRuntimeMXBean().getStartTime();
            times.put("process_ms", System.currentTimeMillis() - process).put("file", classifier.file());
            if (arguments.length < 4) {
                List<String> texts = texts(bundle, Path.of(arguments[2]));
                times.put("texts", texts.size()).put("texts_per_second", textsPerSecond(classifier, texts));
                putShare(times, classifier, texts);
                times.put("bytes_per_push", bytesPerPush(arguments[1], null));
                times.put("bytes_per_push_with_engine", bytesPerPush(arguments[1], OnnxEngine::open));
            }
        }
        System.out.println(times);
    }

    private static List<String> texts(Bundle bundle, Path tsv) throws Exception {
        List<String> texts = new ArrayList<>();
        for (Goldens.OfText golden : Goldens.texts(bundle)) {
            texts.add(golden.text());
        }
        List<String> lines = Files.readAllLines(tsv);
        for (String line : lines.subList(1, lines.size())) {
            texts.add(line.split("\t")[0]);
        }
        return texts;
    }

    private static double textsPerSecond(TextClassifier classifier, List<String> texts) throws PenjingException {
        double best = 0;
        for (int round = 0; round < 3; round++) {  // the first one warms up
            long start = System.nanoTime();
            long count = 0;
            while (System.nanoTime() - start < TOKENIZE_NS) {
                for (String text : texts) {
                    classifier.tokenizer().encode(text);
                }
                count += texts.size();
            }
            best = Math.max(best, count * 1e9 / (System.nanoTime() - start));
        }
        return best;
    }

    /** Of each text the medians of predict, of our engine and of ONNX Runtime by hand; of all texts the middle one. */
    private static void putShare(JSONObject times, TextClassifier classifier, List<String> texts) throws Exception {
        double[][] medians = new double[4][texts.size()];
        ByHand hand = new ByHand((OnnxText) classifier.engine());
        for (int t = 0; t < texts.size(); t++) {
            String text = texts.get(t);
            int[] ids = classifier.tokenizer().encode(text).ids();
            Map<String, OnnxTensor> feed = hand.feed(ids);
            Timed[] calls = {
                () -> classifier.predict(text), () -> classifier.engine().logits(ids), () -> hand.run(feed)
            };
            double[][] taken = new double[calls.length][ROUNDS];
            for (int i = 0; i < calls.length * ROUNDS; i++) {
                int call = (i + i / calls.length) % calls.length;  // the order changes from round to round
                taken[call][i / calls.length] = ms(calls[call]);
            }
            for (int call = 0; call < calls.length; call++) {
                medians[call][t] = Measurement.percentile(taken[call], 50);
            }
            medians[3][t] = medians[0][t] / medians[2][t] - 1;
            feed.values().forEach(OnnxTensor::close);
        }
        String[] names = {"predict_ms", "engine_ms", "by_hand_ms", "core_share"};
        for (int i = 0; i < names.length; i++) {
            times.put(names[i], Measurement.percentile(medians[i], 50));
        }
    }

    private interface Timed {
        void run() throws Exception;
    }

    private static double ms(Timed call) throws Exception {
        long start = System.nanoTime();
        call.run();
        return (System.nanoTime() - start) / 1e6;
    }

    /** Of a stream's push; null for an engine that allocates nothing. */
    private static double bytesPerPush(String folder, EngineFactory factory) throws PenjingException {
        Bundle bundle = Bundle.open(new FolderSource(new File(folder)));
        int channels = SampleFormat.parse(bundle.manifest().preprocess()).features().size();
        int values = bundle.manifest().maxLength() * channels;
        EngineFactory chosen = factory == null ? (m, f, n, t) -> new Given.Broken(values) : factory;
        try (Detector detector = Detector.open(bundle, null, 1, chosen)) {
            return AllocationTest.bytesOf(detector) / (double) AllocationTest.PUSHES;
        }
    }

    /** The shortest code on the same session that someone would write without us. */
    private static final class ByHand {
        private final OnnxSession opened;

        ByHand(OnnxText engine) {
            opened = engine.session;
        }

        Map<String, OnnxTensor> feed(int[] ids) throws Exception {
            Map<String, OnnxTensor> feed = new HashMap<>();
            for (String name : opened.session.getInputNames()) {
                LongBuffer values = Buffers.direct(8 * ids.length).asLongBuffer();
                for (int i = 0; i < ids.length; i++) {
                    values.put(i, name.equals("input_ids") ? ids[i] : name.equals("attention_mask") ? 1 : 0);
                }
                feed.put(name, OnnxTensor.createTensor(opened.environment, values, new long[] {1, ids.length}));
            }
            return feed;
        }

        void run(Map<String, OnnxTensor> feed) throws Exception {
            try (OrtSession.Result result = opened.session.run(feed)) {
                result.get(0).getValue();
            }
        }
    }
}
