package org.penjing.demo;

import android.content.Intent;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.RadioGroup;
import android.widget.TextView;
import java.util.Locale;
import org.penjing.core.BenchmarkPlan.Mode;
import org.penjing.core.BenchmarkResult;
import org.penjing.core.Measurement;

/**
 * How fast the bundle's files are on this device, measured side by side, and how much memory they take; the JSON can
 * be shared and compared on the desk.
 *
 * <p>Left out: which file is faster: that takes the intervals of {@code penjing compare}.
 */
final class SpeedScreen extends Screen {
    private static final int FEWEST_FOR_P99 = 100; // as on the desk
    private static final int LONGEST_SHARE = 200_000; // Android hands over about half a megabyte, no more

    private final Button measure = find(R.id.measure);
    private final RadioGroup modes = find(R.id.modes);
    private final ProgressBar progress = find(R.id.speed_progress);
    private final ViewGroup results = find(R.id.results);
    private SpeedReport shown;

    SpeedScreen(MainActivity activity) {
        super(activity, R.layout.speed);
        measure.setOnClickListener(button -> {
            if (running()) {
                session.benchmark().cancel();
                measure.setEnabled(false);
            } else {
                session.measure(SpeedPlans.of(mode(), session.opened().bundle.manifest()));
            }
        });
        find(R.id.share_json).setOnClickListener(button -> share(session.benchmark().result()));
    }

    private Mode mode() {
        int checked = modes.getCheckedRadioButtonId();
        return checked == R.id.paced ? Mode.PACED : checked == R.id.sustained ? Mode.SUSTAINED : Mode.BURST;
    }

    private boolean running() {
        return session.benchmark() != null && session.benchmark().running();
    }

    @Override
    void render() {
        Task<SpeedReport> task = session.benchmark();
        boolean running = running();
        measure.setEnabled(session.opened() != null && !(running && task.cancelled()));
        measure.setText(running ? R.string.cancel : R.string.measure);
        for (int i = 0; i < modes.getChildCount(); i++) {
            modes.getChildAt(i).setEnabled(!running);
        }
        show(progress, running);
        progress.setProgress(running ? (int) (1000 * task.share()) : 0);
        set(find(R.id.speed_state), activity.getString(state(task)));
        say(find(R.id.speed_problem), task == null ? null : task.problem());
        SpeedReport report = task == null ? null : task.result();
        show(find(R.id.results_card), report != null);
        if (report != shown) {
            shown = report;
            renderReport(report);
        }
        set(find(R.id.device), device(report));
    }

    private static int state(Task<SpeedReport> task) {
        if (task == null) {
            return R.string.measure_what;
        }
        if (task.running()) {
            return R.string.measuring;
        }
        if (task.problem() != null) {
            return R.string.failed;
        }
        return task.result() == null ? R.string.cancelled : R.string.measured;
    }

    private void renderReport(SpeedReport report) {
        results.removeAllViews();
        show(find(R.id.saved), false);
        if (report == null) {
            return;
        }
        Measurement first = report.result().measurements().get(0);
        for (Measurement each : report.result().measurements()) {
            if (!each.label().endsWith(Measurement.TWIN)) {
                results.addView(row(each));
            } else if (each.kind().equals(first.kind())) {
                String twin = activity.getString(
                        R.string.twin, first.label(), first.percentile(50), each.percentile(50));
                set(find(R.id.twin), twin + memory(report.result()));
            }
        }
    }

    private View row(Measurement measurement) {
        View row = activity.getLayoutInflater().inflate(R.layout.speed_row, results, false);
        String name = activity.getString(what(measurement.kind()), measurement.label(), measurement.length());
        String p50 = milliseconds("p50", measurement, 50);
        String p90 = milliseconds("p90", measurement, 90);
        String p99 = measurement.samples().length < FEWEST_FOR_P99 ? "p99 –" : milliseconds("p99", measurement, 99);
        set(row.findViewById(R.id.file), name);
        set(row.findViewById(R.id.p50), p50);
        set(row.findViewById(R.id.p90), p90);
        set(row.findViewById(R.id.p99), p99);
        row.setContentDescription(name + ", " + p50 + ", " + p90 + ", " + p99);
        return row;
    }

    private static int what(String kind) {
        return switch (kind) {
            case "warm" -> R.string.engine_tokens;
            case "window" -> R.string.engine_window;
            default -> R.string.whole_answer;
        };
    }

    private static String milliseconds(String name, Measurement measurement, int share) {
        double value = measurement.percentile(share);
        return String.format(Locale.getDefault(), value < 1 ? "%s %.3f" : "%s %.2f", name, value);
    }

    private String memory(BenchmarkResult result) {
        StringBuilder lines = new StringBuilder();
        for (BenchmarkResult.Memory use : result.memory()) {
            double taken = use.after() - use.before();
            if (!Double.isNaN(taken)) {
                lines.append('\n').append(activity.getString(R.string.memory_of, use.file(), taken));
            }
        }
        return lines.toString();
    }

    private String device(SpeedReport report) {
        double now = Phone.batteryTemperature(activity);
        double before = report == null ? now : report.device().readings().get(0).temperatureC();
        String temperature = Double.isNaN(now) ? activity.getString(R.string.temperature_unknown)
                : activity.getString(R.string.temperature, before, now);
        int thermal = Newer.thermalStatus(activity);
        String[] words = activity.getResources().getStringArray(R.array.thermal);
        String status = thermal < 0 || thermal >= words.length ? "" : "\n" + words[thermal];
        double held = Phone.memoryMb();
        String memory = Double.isNaN(held) ? "" : activity.getString(R.string.memory_now, held) + "\n";
        return Phone.model() + " · " + Phone.system() + "\n" + memory + temperature + status;
    }

    /** As text, which every app takes; also into a file, for adb and for runs that are too long to hand over. */
    private void share(SpeedReport report) {
        String json = report.json();
        String name = ResultFiles.nameOf(report);
        session.worker.run(() -> ResultFiles.write(activity, name, json), outcome -> {
            String place = outcome.value();
            say(find(R.id.saved), place == null ? outcome.problem() : activity.getString(R.string.saved, place));
            if (json.length() <= LONGEST_SHARE) {
                Intent send = new Intent(Intent.ACTION_SEND).setType("text/plain")
                        .putExtra(Intent.EXTRA_SUBJECT, name).putExtra(Intent.EXTRA_TEXT, json);
                activity.startActivity(Intent.createChooser(send, activity.getString(R.string.share_json)));
            }
        });
    }
}
