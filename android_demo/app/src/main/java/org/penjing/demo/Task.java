package org.penjing.demo;

import org.penjing.core.Progress;
import org.penjing.core.StoppedException;

/**
 * A long piece of work, such as a benchmark: how far it is, what it gave, or why it did not. It lives in the session,
 * not in a screen, so that a rotation in the middle of it changes nothing.
 *
 * <p>Left out: going on after the process has ended.
 */
final class Task<T> implements Progress {
    /** What to do; it asks {@code progress} whether to go on. */
    interface Work<T> {
        T run(Progress progress) throws Exception;
    }

    private static final double SMALLEST_STEP = 0.005;

    private final Worker worker;
    private final Runnable changed;
    private volatile double share;
    private volatile boolean cancelled;
    private boolean done;
    private T result;
    private String problem;

    private Task(Worker worker, Runnable changed) {
        this.worker = worker;
        this.changed = changed;
    }

    /** Starts {@code work} on the worker; {@code changed} is called on the main thread at every step and at the end. */
    static <T> Task<T> start(Worker worker, Work<T> work, Runnable changed) {
        Task<T> task = new Task<>(worker, changed);
        worker.run(() -> task.untilStopped(work), outcome -> {
            task.done = true;
            task.result = outcome.value();
            task.problem = outcome.problem();
            changed.run();
        });
        return task;
    }

    private T untilStopped(Work<T> work) throws Exception {
        try {
            return cancelled ? null : work.run(this);
        } catch (StoppedException stopped) {
            return null;
        }
    }

    @Override
    public void at(double now) {
        if (now - share >= SMALLEST_STEP) {
            share = now;
            worker.onMain(changed);
        }
    }

    @Override
    public boolean cancelled() {
        return cancelled;
    }

    void cancel() {
        cancelled = true;
    }

    boolean running() {
        return !done;
    }

    double share() {
        return share;
    }

    /** Null while it runs, when it was cancelled, and when there is a problem. */
    T result() {
        return result;
    }

    String problem() {
        return problem;
    }
}
