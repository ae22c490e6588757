package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.view.ViewGroup;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.penjing.core.BenchmarkPlan;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The benchmark screen: measure, rotate in the middle, cancel, share. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class SpeedScreenTest {
    private static Driver measured(String bundle) {
        Driver app = Driver.with(bundle).tab(R.id.tab_speed).tap(R.id.measure);
        return app.until(() -> !app.session().benchmark().running());
    }

    @Test
    public void everyFileIsMeasuredWithItsPercentilesAndMemory() {
        try (Driver app = measured("assistant")) {
            assertEquals("Measured.", app.text(R.id.speed_state));
            assertEquals("", app.text(R.id.speed_problem));
            ViewGroup rows = app.activity().findViewById(R.id.results);
            assertEquals(4, rows.getChildCount()); // two files, the engine alone and whole answers
            String first = String.valueOf(rows.getChildAt(0).getContentDescription());
            assertTrue(first, first.matches("model.int8.onnx, 32 tokens, p50 [0-9.]+, p90 [0-9.]+, p99 [0-9.]+"));
            assertTrue(app.text(R.id.twin), app.text(R.id.twin).startsWith("model.int8.onnx twice: "));
            app.picture("speed");
        }
    }

    @Test
    public void theJsonThatIsSharedHoldsTheTwinAndTheDevice() throws Exception {
        try (Driver app = measured("bearings").tap(R.id.share_json).settle()) {
            Intent chooser = shadowOf(app.activity()).getNextStartedActivity();
            Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT);
            JSONObject run = new JSONObject(send.getStringExtra(Intent.EXTRA_TEXT));
            byte[] content = run.toString().getBytes(StandardCharsets.UTF_8);
            Files.write(Paths.get(System.getProperty("shots"), "bearings.json"), content); // for `penjing compare`
            assertEquals(1, run.getInt("schema_version"));
            JSONObject twin = run.getJSONArray("measurements").getJSONObject(2);
            assertEquals("model.int8.onnx (A/A)", twin.getString("subject"));
            assertTrue(run.getJSONObject("machine").getJSONObject("packages").has("onnxruntime"));
            File saved = new File(app.text(R.id.saved).replace("Also saved as ", ""));
            assertEquals("penjing-bearings-burst.json", saved.getName());
            assertEquals(send.getStringExtra(Intent.EXTRA_TEXT).length(), saved.length());
        }
    }

    @Test
    public void rotationInTheMiddleOfARunChangesNothing() {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_speed)) {
            app.activity().findViewById(R.id.measure).performClick();
            app.until(() -> app.session().benchmark().share() > 0.05);
            app.picture("speed-running");
            Task<SpeedReport> before = app.session().benchmark();
            app.rotate();
            assertEquals(before, app.session().benchmark());
            assertTrue(app.visible(R.id.speed_progress));
            app.until(() -> !before.running());
            assertEquals("Measured.", app.text(R.id.speed_state));
        }
    }

    @Test
    public void aRunThatIsCancelledKeepsNothing() {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_speed)) {
            app.activity().findViewById(R.id.sustained).performClick();
            app.activity().findViewById(R.id.measure).performClick();
            app.until(() -> app.session().benchmark().share() > 0);
            app.activity().findViewById(R.id.measure).performClick();
            app.until(() -> !app.session().benchmark().running());
            assertNull(app.session().benchmark().result());
            assertEquals("Cancelled; nothing was kept.", app.text(R.id.speed_state));
        }
    }

    @Test
    public void anotherBundleEndsTheRun() {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_speed)) {
            app.activity().findViewById(R.id.measure).performClick();
            app.choose("bearings");
            assertNull(app.session().benchmark());
            assertEquals("bearings", app.session().opened().bundle.name());
        }
    }

    @Test
    public void aMeasurementThatCannotBeMadeSaysWhy() throws Exception {
        Bundles.push("bearings", "spoiled");
        try (Driver app = Driver.start().choose("spoiled").tab(R.id.tab_speed)) {
            Bundles.spoil(new File(Bundles.pushed(), "spoiled/model.int8.onnx"));
            app.tap(R.id.measure).until(() -> !app.session().benchmark().running());
            assertTrue(app.text(R.id.speed_problem).contains("its hash differs"));
            assertEquals("It could not be measured.", app.text(R.id.speed_state));
        }
    }

    @Test
    public void everyModeHasAPlanOfAboutAMinute() throws Exception {
        try (Driver app = Driver.with("assistant")) {
            for (BenchmarkPlan.Mode mode : BenchmarkPlan.Mode.values()) {
                BenchmarkPlan plan = SpeedPlans.of(mode, app.session().opened().bundle.manifest());
                plan.check();
                assertEquals(32, plan.length());
                assertTrue(plan.seconds() <= 60);
            }
        }
    }
}
