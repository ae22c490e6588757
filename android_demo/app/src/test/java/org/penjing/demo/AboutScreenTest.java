package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The about screen: the card, the hashes, and the self-test with the real engine. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class AboutScreenTest {
    @Test
    public void theSelfTestOfATextBundleFindsTheSameDecisions() throws Exception {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_about).settle()) {
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            String[] lines = app.text(R.id.self_test_result).split("\n");
            assertEquals(2, lines.length);
            assertTrue(lines[0], lines[0].matches("✓ model.int8.onnx: (\\d+) of \\1 decide the same.*"));
            assertTrue(lines[1], lines[1].matches("✓ model.onnx: (\\d+) of \\1 decide the same.*"));
            assertTrue(app.text(R.id.card).startsWith("assistant\n\nA text classifier for"));
            String hash = Bundles.manifest(Bundles.real("assistant")).getJSONObject("files")
                    .getJSONObject("model.onnx").getString("sha256");
            assertTrue(app.text(R.id.files).contains(hash));
            app.picture("about");
        }
    }

    @Test
    public void theSelfTestOfADetectorFindsTheSameDecisions() {
        try (Driver app = Driver.with("bearings").tab(R.id.tab_about)) {
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            String first = app.text(R.id.self_test_result).split("\n")[0];
            assertTrue(first, first.matches("✓ model.int8.onnx: (\\d+) of \\1 .*"));
        }
    }

    @Test
    public void aModelThatChangedSinceItWasOpenedFailsTheSelfTest() throws Exception {
        Bundles.push("bearings", "changed");
        try (Driver app = Driver.start().choose("changed").tab(R.id.tab_about)) {
            Bundles.spoil(new File(Bundles.pushed(), "changed/model.int8.onnx"));
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            String result = app.text(R.id.self_test_result);
            assertTrue(result, result.startsWith("✗ model.int8.onnx"));
            app.picture("about-self-test-failed");
        }
    }

    @Test
    public void rotationKeepsTheResult() {
        try (Driver app = Driver.with("bearings").tab(R.id.tab_about)) {
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            app.rotate();
            assertTrue(app.visible(R.id.self_test_result));
            assertTrue(app.text(R.id.self_test_result).startsWith("✓"));
        }
    }
}
