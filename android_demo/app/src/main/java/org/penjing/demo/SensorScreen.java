package org.penjing.demo;

import android.text.TextUtils;
import android.widget.Button;
import android.widget.TextView;
import java.util.Locale;
import org.penjing.core.AlarmPolicy;
import org.penjing.core.BundleException;
import org.penjing.core.Detector;
import org.penjing.core.SampleFormat;

/**
 * The accelerometer through a detector: the score as a line, the threshold, and the alarm, which screen readers speak.
 * A bundle with other features shows its goldens as a demo.
 *
 * <p>Left out: sound and vibration, and everything that computes ({@link SignalRun}).
 */
final class SensorScreen extends Screen {
    private static final int FEATURES_NAMED = 4;
    private static final int NUMBERS_EVERY = 5; // 50 changes a second cannot be read

    private final ScorePlot plot = find(R.id.plot);
    private final TextView state = find(R.id.state);
    private final Button listen = find(R.id.listen);

    SensorScreen(MainActivity activity) {
        super(activity, R.layout.sensor);
        plot.setContentDescription(activity.getString(R.string.plot_description));
        listen.setOnClickListener(button -> {
            if (running()) {
                session.stopSensor();
                render();
            } else {
                session.listenToSensor();
            }
        });
    }

    private boolean running() {
        return session.signal() != null && session.signal().running();
    }

    @Override
    void render() {
        Opened opened = session.opened();
        Detector detector = opened == null ? null : opened.detector;
        listen.setEnabled(detector != null);
        listen.setText(running() ? R.string.stop : R.string.start);
        say(find(R.id.sensor_problem), session.signal() == null ? null : session.signal().problem());
        show(plot, detector != null);
        show(find(R.id.rule), detector != null);
        if (detector == null) {
            boolean text = opened != null && opened.text != null;
            headline(R.string.no_score, false);
            set(find(R.id.score_facts), "");
            set(find(R.id.source), activity.getString(text ? R.string.not_for_samples : R.string.no_model));
            return;
        }
        try {
            renderDetector(detector, detector.threshold().threshold());
        } catch (BundleException error) {
            say(find(R.id.sensor_problem), error.getMessage());
        }
    }

    private void renderDetector(Detector detector, double threshold) {
        boolean sensor = SignalRun.takesAccelerometer(detector);
        set(find(R.id.source), sensor ? accelerometer(detector.format()) : demo(detector.format()));
        AlarmPolicy policy = detector.policy();
        set(find(R.id.rule), sensor
                ? activity.getString(R.string.rule, number(threshold), policy.count(), policy.of(), policy.gap())
                : activity.getString(R.string.rule_demo, number(threshold)));
        SignalRun run = session.signal();
        if (run == null) {
            headline(R.string.not_listening, false);
            plot.show(new ScoreHistory(2), threshold);
            return;
        }
        plot.show(run.history, threshold);
        headline(words(run.state()), run.state() == SignalRun.State.ALARM);
        int size = run.history.size();
        if (run.history.seen() % NUMBERS_EVERY == 0 || run.demo || !run.running()) {
            float score = size == 0 ? Float.NaN : run.history.score(size - 1);
            set(find(R.id.score_facts), Float.isNaN(score) ? ""
                    : activity.getString(R.string.score_facts, number(score), run.history.seen()));
        }
    }

    private void headline(int words, boolean alarm) {
        set(state, activity.getString(words));
        state.setTextColor(activity.getColor(alarm ? R.color.alarm : R.color.text));
    }

    private static int words(SignalRun.State state) {
        return switch (state) {
            case FILLING -> R.string.filling;
            case NORMAL -> R.string.normal;
            case ALARM -> R.string.alarm;
            case SILENT -> R.string.silent;
            case STOPPED -> R.string.stopped;
        };
    }

    private static String number(double value) {
        return String.format(Locale.getDefault(), Math.abs(value) < 1000 ? "%.2f" : "%,.0f", value);
    }

    private String accelerometer(SampleFormat format) {
        Double period = format.periodSeconds();
        return period == null
                ? activity.getString(R.string.accelerometer_as_it_comes)
                : activity.getString(R.string.accelerometer_every, 1000 * period);
    }

    private String demo(SampleFormat format) {
        int more = format.features().size() - FEATURES_NAMED;
        String names = TextUtils.join(", ",
                format.features().subList(0, Math.min(FEATURES_NAMED, format.features().size())));
        String features = more > 0 ? activity.getString(R.string.and_more, names, more) : names;
        return activity.getString(R.string.demo_signal, features);
    }
}
