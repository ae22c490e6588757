package org.penjing.core;

import java.util.ArrayList;
import java.util.List;

/**
 * What a benchmark asks: the texts or the windows of a bundle's goldens, in their real lengths, and for the engine
 * alone their ids one after the other up to a length.
 *
 * <p>Left out: timing ({@link TimingLoop}).
 */
final class Questions {
    private final List<String> texts = new ArrayList<>();
    private final List<float[]> windows = new ArrayList<>();
    private final boolean series;
    private final int length;
    private final int[] ids;

    private Questions(boolean series, int length, int[] ids) {
        this.series = series;
        this.length = length;
        this.ids = ids;
    }

    /** {@code length} in tokens; a detector has its window. */
    static Questions of(Bundle bundle, int length) throws PenjingException {
        Manifest manifest = bundle.manifest();
        Questions questions;
        if (manifest.isDetector()) {
            boolean series = !SampleFormat.parse(manifest.preprocess()).kind().equals(SampleFormat.TEXTS);
            questions = new Questions(series, manifest.maxLength(), null);
            for (Goldens.OfSamples golden : Goldens.samples(bundle)) {
                questions.windows.add(golden.window());
            }
        } else {
            if (length < 2 || length > manifest.maxLength()) {
                throw new InputException(length + " tokens: " + manifest.name() + " takes 2 to "
                        + manifest.maxLength());
            }
            List<Goldens.OfText> goldens = Goldens.texts(bundle);
            questions = new Questions(false, length, idsOf(goldens, length));
            for (Goldens.OfText golden : goldens) {
                questions.texts.add(golden.text());
            }
        }
        return questions;
    }

    /** The condition of the engine alone, as {@code penjing.benchmarks.measurement} names it. */
    String engineKind() {
        return ids == null ? "window" : "warm";
    }

    /** The condition of whole answers; null for texts as samples, which make no stream. */
    String answerKind() {
        return ids != null ? "text" : series ? "stream" : null;
    }

    /** Tokens, or the window. */
    int length() {
        return length;
    }

    int[] ids() {
        return ids;
    }

    String text(int i) {
        return texts.get(i % texts.size());
    }

    float[] window(int i) {
        return windows.get(i % windows.size());
    }

    int size() {
        return texts.size() + windows.size();
    }

    private static int[] idsOf(List<Goldens.OfText> goldens, int length) {
        int[] ids = new int[length];
        int filled = 0;
        while (filled < length) {
            int before = filled;
            for (int i = 0; i < goldens.size() && filled < length; i++) {
                int[] some = goldens.get(i).ids();
                int count = Math.min(some.length, length - filled);
                System.arraycopy(some, 0, ids, filled, count);
                filled += count;
            }
            filled = filled == before ? length : filled;
        }
        return ids;
    }
}
