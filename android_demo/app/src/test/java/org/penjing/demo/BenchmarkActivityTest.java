package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowLooper;

/** A benchmark that adb starts: it always ends with a file that says what was measured, or why not. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class BenchmarkActivityTest {
    private static final int LONGEST_WAIT_MS = 60_000;

    private static Intent asked(String bundle) {
        return new Intent(RuntimeEnvironment.getApplication(), BenchmarkActivity.class).putExtra("bundle", bundle)
                .putExtra("mode", "burst").putExtra("rounds", 4).putExtra("repeats", 3).putExtra("out", "run-7.json");
    }

    private static ActivityController<BenchmarkActivity> start(Intent intent) {
        return Robolectric.buildActivity(BenchmarkActivity.class, intent).setup();
    }

    private static JSONObject answer(ActivityController<BenchmarkActivity> activity) throws Exception {
        for (int waited = 0; !activity.get().isFinishing(); waited += 5) {
            assertTrue("it does not end", waited < LONGEST_WAIT_MS);
            ShadowLooper.idleMainLooper();
            Thread.sleep(5);
        }
        byte[] content = Files.readAllBytes(results().toPath().resolve("run-7.json"));
        return new JSONObject(new String(content, StandardCharsets.UTF_8));
    }

    private static File results() {
        return RuntimeEnvironment.getApplication().getExternalFilesDir("results");
    }

    private static void refused(Intent intent, String why) throws Exception {
        String error = answer(start(intent)).getString("error");
        assertTrue(error, error.contains(why));
    }

    @Test
    public void whatWasAskedForIsMeasuredAndWritten() throws Exception {
        Bundles.push("bearings", "pushed");
        ActivityController<BenchmarkActivity> activity = start(asked("pushed"));
        Driver.picture(activity.get(), "by-intent");
        JSONObject run = answer(activity);
        assertEquals(4, run.getJSONObject("settings").getInt("rounds"));
        assertEquals("model.int8.onnx", run.getJSONArray("measurements").getJSONObject(0).getString("file"));
        assertEquals(1, results().list().length);
    }

    @Test
    public void aTurnedDeviceGoesOnMeasuring() throws Exception {
        Bundles.push("bearings", "pushed");
        ActivityController<BenchmarkActivity> activity = start(asked("pushed"));
        RuntimeEnvironment.setQualifiers("+land");
        activity.configurationChange(activity.get().getResources().getConfiguration());
        assertTrue(answer(activity).has("measurements"));
    }

    @Test
    public void anUnknownBundleIsAnErrorThatNamesThoseThere() throws Exception {
        Bundles.push("bearings", "pushed");
        refused(asked("other"), "there is no bundle 'other' on this device, there are: pushed");
    }

    @Test
    public void numbersAndModesOutOfRangeAreErrors() throws Exception {
        Bundles.push("bearings", "pushed");
        refused(asked("pushed").putExtra("rounds", 0), "rounds is 0: give 1 to 1000");
        refused(asked("pushed").putExtra("seconds", 99_999), "seconds is 99999: give 1 to 3600");
        refused(asked("pushed").putExtra("mode", "quick"), "give burst, paced or sustained");
    }

    @Test
    public void aBrokenBundleIsAnError() throws Exception {
        Bundles.spoil(new File(Bundles.push("bearings", "pushed"), "model.int8.onnx"));
        refused(asked("pushed"), "its hash differs");
    }

    @Test
    public void aRunThatTheUserLeavesIsAnError() throws Exception {
        Bundles.push("assistant", "pushed");
        ActivityController<BenchmarkActivity> activity = start(asked("pushed").putExtra("rounds", 1000));
        activity.pause().stop();
        assertTrue(answer(activity).getString("error").contains("stopped"));
    }

    @Test
    public void aResultThatWouldLieOutsideIsNotWritten() throws Exception {
        Bundles.push("bearings", "pushed");
        for (String out : new String[] {"../run-7.json", "a/b", "", ".hidden", "/sdcard/x", "ü.json"}) {
            ActivityController<BenchmarkActivity> activity = start(asked("pushed").putExtra("out", out));
            assertTrue(activity.get().isFinishing());
        }
        start(asked("pushed").putExtra("out", (String) null));
        assertFalse(results().exists() && results().list().length > 0);
    }
}
