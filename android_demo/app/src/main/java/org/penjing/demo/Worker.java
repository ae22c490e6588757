package org.penjing.demo;

import android.os.Handler;
import android.os.Looper;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;

/**
 * The one background thread: opening, answering and measuring take turns on it, so that an engine is never called by
 * two threads and a measurement is never disturbed.
 *
 * <p>Left out: a pool, priorities, and stopping in the middle of a call.
 */
final class Worker {
    private final Handler main = new Handler(Looper.getMainLooper());
    private final ExecutorService thread = Executors.newSingleThreadExecutor(work -> {
        Thread thread = new Thread(work, "penjing-worker");
        thread.setDaemon(true);
        return thread;
    });

    /** What some work gave, or the line to show instead; one of the two is null. */
    record Outcome<T>(T value, String problem) {}

    /** Does {@code work} on the thread, then hands its outcome to {@code then} on the main thread. */
    <T> void run(Callable<T> work, Consumer<Outcome<T>> then) {
        thread.execute(() -> {
            Outcome<T> outcome = outcome(work);
            main.post(() -> then.accept(outcome));
        });
    }

    /** Does something on the main thread, soon. */
    void onMain(Runnable work) {
        main.post(work);
    }

    // Memory and a missing native library are Errors, not Exceptions; neither may take the app down.
    private static <T> Outcome<T> outcome(Callable<T> work) {
        try {
            return new Outcome<>(work.call(), null);
        } catch (Exception | OutOfMemoryError | LinkageError error) {
            return new Outcome<>(null, Problems.line(error));
        }
    }
}
