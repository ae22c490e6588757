package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.file.Files;
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
    /** "35 of 35" of a bundle with 35 goldens. */
    private static String all(String bundle) throws Exception {
        int goldens = Files.readAllLines(new File(Bundles.real(bundle), "goldens.jsonl").toPath()).size();
        return goldens + " of " + goldens;
    }

    @Test
    public void theSelfTestOfATextBundleFindsTheSameDecisions() throws Exception {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_about).settle()) {
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            String[] lines = app.text(R.id.self_test_result).split("\n");
            assertEquals(2, lines.length);
            assertTrue(lines[0], lines[0].startsWith("✓ model.int8.onnx: " + all("assistant") + " decide the same"));
            assertTrue(lines[1], lines[1].startsWith("✓ model.onnx: " + all("assistant") + " decide the same"));
            assertTrue(app.text(R.id.card).startsWith("assistant\n\nA text classifier for"));
            String hash = Bundles.manifest(Bundles.real("assistant")).getJSONObject("files")
                    .getJSONObject("model.onnx").getString("sha256");
            assertTrue(app.text(R.id.files).contains(hash));
            app.picture("about");
        }
    }

    @Test
    public void theSelfTestOfADetectorFindsTheSameDecisions() throws Exception {
        try (Driver app = Driver.with("bearings").tab(R.id.tab_about)) {
            app.tap(R.id.self_test).until(() -> !app.session().selfTest().running());
            assertTrue(app.text(R.id.self_test_result).startsWith("✓ model.int8.onnx: " + all("bearings")));
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
