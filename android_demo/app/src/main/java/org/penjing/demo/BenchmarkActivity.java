package org.penjing.demo;

import android.app.Activity;
import android.os.Bundle;
import android.util.Log;
import android.view.WindowManager;
import android.widget.ProgressBar;
import android.widget.TextView;
import org.penjing.core.InputException;
import org.penjing.core.Progress;

/**
 * A benchmark that the desk starts ({@code penjing bench --target adb://}):
 *
 * <pre>am start -n org.penjing.demo/.BenchmarkActivity --es bundle NAME --es mode burst --ei rounds 20 --ei repeats 10
 *     --ei length 128 --ei threads 1 --ei seconds 60 --es out FILE</pre>
 *
 * <p>It measures, writes the JSON to {@code results/FILE} of the app's external folder, and ends. What goes wrong is
 * written there as {@code {"error": "..."}}. Left out: other ways to ask, and more than one at a time.
 */
public final class BenchmarkActivity extends Activity {
    private static final String TAG = "penjing";

    private Task<String> task;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON); // with the screen off it would be stopped
        setContentView(R.layout.by_intent);
        if (state != null) {
            finish(); // the process was killed in the middle: who waits sees no file, and asks again
            return;
        }
        start(new BenchmarkRequest(getIntent()));
    }

    private void start(BenchmarkRequest request) {
        Session session = DemoApp.session(this);
        session.stop();
        String out;
        try {
            out = request.out();
        } catch (InputException error) {
            Log.e(TAG, error.getMessage()); // nowhere to write it
            finish();
            return;
        }
        task = Task.start(session.worker, progress -> run(session, request, out, progress), this::changed);
        changed();
    }

    private String run(Session session, BenchmarkRequest request, String out, Progress progress) throws Exception {
        String json;
        try {
            org.penjing.core.Bundle bundle = request.bundle(session.shelf);
            json = SpeedReport.measure(
                    getApplicationContext(), bundle, request.plan(bundle), session.engines(), progress).json();
        } catch (Exception | OutOfMemoryError | LinkageError error) {
            json = ResultFiles.error(Problems.line(error));
        }
        String path = ResultFiles.write(getApplicationContext(), out, json);
        Log.i(TAG, "wrote " + path);
        return path;
    }

    private void changed() {
        if (!task.running()) {
            if (task.problem() != null) {
                Log.e(TAG, task.problem());
            }
            finish();
            return;
        }
        ((TextView) findViewById(R.id.by_intent_state)).setText(R.string.measuring);
        ((ProgressBar) findViewById(R.id.by_intent_progress)).setProgress((int) (1000 * task.share()));
    }

    /** Who leaves it stops it: in the background it would measure something else. */
    @Override
    protected void onStop() {
        super.onStop();
        if (task != null && task.running()) {
            task.cancel();
        }
    }
}
