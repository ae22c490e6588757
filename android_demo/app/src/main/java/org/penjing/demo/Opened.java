package org.penjing.demo;

import org.penjing.core.Bundle;
import org.penjing.core.BundleSource;
import org.penjing.core.Detector;
import org.penjing.core.EngineFactory;
import org.penjing.core.PenjingException;
import org.penjing.core.TextClassifier;

/**
 * An open bundle: its facts, and the text classifier or the detector in it. A bundle whose model cannot be used still
 * has a card to read; then {@code problem} says why.
 *
 * <p>Left out: threads: open, close and use the model on the worker.
 */
final class Opened {
    private static final int THREADS = 1;

    final Bundle bundle;
    final TextClassifier text;
    final Detector detector;
    final String problem;
    private boolean closed;

    private Opened(Bundle bundle, TextClassifier text, Detector detector, String problem) {
        this.bundle = bundle;
        this.text = text;
        this.detector = detector;
        this.problem = problem;
    }

    static Opened open(BundleSource source, EngineFactory engines) throws PenjingException {
        Bundle bundle = Bundle.open(source);
        try {
            return bundle.manifest().isDetector()
                    ? new Opened(bundle, null, detector(bundle, engines), null)
                    : new Opened(bundle, TextClassifier.open(bundle, null, THREADS, engines), null, null);
        } catch (PenjingException error) {
            return new Opened(bundle, null, null, error.getMessage());
        }
    }

    private static Detector detector(Bundle bundle, EngineFactory engines) throws PenjingException {
        Detector detector = Detector.open(bundle, null, THREADS, engines);
        try {
            detector.threshold(); // one without cannot raise an alarm
            return detector;
        } catch (PenjingException error) {
            detector.close();
            throw error;
        }
    }

    /** Whether another bundle has been chosen meanwhile, so that the model must not be called any more. */
    boolean closed() {
        return closed;
    }

    void close() {
        closed = true;
        if (text != null) {
            text.close();
        }
        if (detector != null) {
            detector.close();
        }
    }
}
