package org.penjing.demo;

import android.content.Context;
import android.os.SystemClock;
import java.util.Arrays;
import java.util.List;
import org.penjing.core.Detector;
import org.penjing.core.DetectorStream;
import org.penjing.core.PenjingException;
import org.penjing.core.SampleFormat;

/**
 * A signal on its way through a detector: the scores so far, the state, and what there is to say. It lives in the
 * session, so that a rotation does not interrupt it.
 *
 * <p>Left out: drawing it.
 */
final class SignalRun implements Signal.Sink {
    static final List<String> ACCELEROMETER = Arrays.asList("x", "y", "z");
    static final long ALARM_SHOWN_MS = 3000;

    /** What the headline says. */
    enum State { FILLING, NORMAL, ALARM, SILENT, STOPPED }

    private record Point(float score, boolean alarm) {}

    private static final int SENSOR_ROOM = 300;
    private static final int DEMO_ROOM = 40;

    final ScoreHistory history;
    final boolean demo;
    private final Context context;
    private final Worker worker;
    private final Opened opened;
    private final Runnable changed;
    private final Signal signal;
    private DetectorStream stream;
    private State state = State.FILLING;
    private String problem;
    private long alarmAt = -ALARM_SHOWN_MS;

    private SignalRun(Context context, Worker worker, Opened opened, Runnable changed) throws PenjingException {
        this.context = context;
        this.worker = worker;
        this.opened = opened;
        this.changed = changed;
        Signal sensor = null;
        if (takesAccelerometer(opened.detector)) {
            Double period = opened.detector.format().periodSeconds();
            sensor = Accelerometer.of(context, period == null ? 0 : period, this);
            problem = sensor == null ? context.getString(R.string.no_accelerometer) : null;
        }
        demo = sensor == null;
        history = new ScoreHistory(demo ? DEMO_ROOM : SENSOR_ROOM);
        signal = demo ? new GoldenSignal(opened.bundle, worker, this) : sensor;
        stream = demo ? null : opened.detector.stream();
    }

    /** Starts with an empty window. */
    static SignalRun start(Context context, Worker worker, Opened opened, Runnable changed) throws PenjingException {
        SignalRun run = new SignalRun(context, worker, opened, changed);
        run.signal.start();
        return run;
    }

    /** Whether its features are those of a phone's accelerometer. */
    static boolean takesAccelerometer(Detector detector) {
        SampleFormat format = detector.format();
        return "series".equals(format.kind()) && ACCELEROMETER.equals(format.features());
    }

    void stop() {
        signal.stop();
        state = State.STOPPED;
    }

    @Override
    public void sample(float[] values, double seconds) {
        float[] sample = values.clone(); // the resampler uses its array again
        DetectorStream into = stream;
        worker.run(() -> {
            if (opened.closed()) {
                return null;
            }
            boolean alarm = into.push(sample, seconds);
            return new Point(into.score(), alarm);
        }, this::show);
    }

    @Override
    public void window(float[] window) {
        worker.run(() -> {
            if (opened.closed()) {
                return null;
            }
            float score = opened.detector.scoreWindow(window);
            return new Point(score, score > opened.detector.threshold().threshold());
        }, this::show);
    }

    private void show(Worker.Outcome<Point> outcome) {
        if (state == State.STOPPED) {
            return;
        }
        if (outcome.problem() != null) {
            failed(outcome.problem());
        } else if (outcome.value() != null) {
            add(outcome.value());
        }
    }

    private void add(Point point) {
        history.add(point.score(), point.alarm());
        long now = SystemClock.elapsedRealtime();
        alarmAt = point.alarm() ? now : alarmAt;
        // An alarm lasts for one sample; nobody would see it.
        boolean shown = now - alarmAt < (demo ? GoldenSignal.EVERY_MS : ALARM_SHOWN_MS);
        state = shown ? State.ALARM : Float.isNaN(point.score()) ? State.FILLING : State.NORMAL;
        changed.run();
    }

    @Override
    public void jumped(double seconds) {
        try {
            stream = opened.detector.stream();
        } catch (PenjingException error) {
            failed(error.getMessage());
            return;
        }
        history.add(Float.NaN, false);
        problem = context.getString(R.string.sensor_jumped, seconds);
        state = State.FILLING;
        changed.run();
    }

    @Override
    public void silent(boolean silent) {
        state = silent ? State.SILENT : State.FILLING;
        problem = silent ? context.getString(R.string.sensor_silent, Accelerometer.SILENT_AFTER_MS / 1000) : null;
        changed.run();
    }

    @Override
    public void failed(String line) {
        stop();
        problem = line;
        changed.run();
    }

    boolean running() {
        return state != State.STOPPED;
    }

    State state() {
        return state;
    }

    /** Null when there is nothing to say. */
    String problem() {
        return problem;
    }
}
