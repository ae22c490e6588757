package org.penjing.demo;

import android.os.Handler;
import android.os.Looper;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.penjing.core.Bundle;
import org.penjing.core.BundleException;
import org.penjing.core.PenjingException;

/**
 * The windows of a bundle's goldens, two a second and from the start again: something to look at for a detector whose
 * features no phone has.
 *
 * <p>Left out: joining them to one series, which they are not; so the alarm policy has no say.
 */
final class GoldenSignal implements Signal {
    static final long EVERY_MS = 500;

    private final Bundle bundle;
    private final Worker worker;
    private final Sink sink;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final Runnable next = this::next;
    private List<float[]> windows;
    private int place;
    private boolean stopped;

    GoldenSignal(Bundle bundle, Worker worker, Sink sink) {
        this.bundle = bundle;
        this.worker = worker;
        this.sink = sink;
    }

    @Override
    public void start() {
        worker.run(() -> read(bundle), outcome -> {
            windows = outcome.value();
            if (windows == null) {
                sink.failed(outcome.problem());
            } else if (!stopped) {
                next();
            }
        });
    }

    @Override
    public void stop() {
        stopped = true;
        main.removeCallbacks(next);
    }

    private void next() {
        sink.window(windows.get(place));
        place = (place + 1) % windows.size();
        main.postDelayed(next, EVERY_MS);
    }

    private static List<float[]> read(Bundle bundle) throws PenjingException {
        List<float[]> windows = new ArrayList<>();
        try {
            for (String line : bundle.verifiedText("goldens.jsonl").split("\n")) {
                if (!line.trim().isEmpty()) {
                    windows.add(flat(new JSONObject(line).getJSONArray("samples")));
                }
            }
        } catch (JSONException error) {
            throw new BundleException("goldens.jsonl holds no samples: make the bundle again", error);
        }
        if (windows.isEmpty()) {
            throw new BundleException("goldens.jsonl is empty, so there is nothing to show: make the bundle again");
        }
        return windows;
    }

    private static float[] flat(JSONArray samples) throws JSONException {
        int channels = samples.getJSONArray(0).length();
        float[] window = new float[samples.length() * channels];
        for (int i = 0; i < window.length; i++) {
            window[i] = (float) samples.getJSONArray(i / channels).getDouble(i % channels);
        }
        return window;
    }
}
