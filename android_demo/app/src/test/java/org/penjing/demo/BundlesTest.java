package org.penjing.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.net.Uri;
import android.system.ErrnoException;
import android.system.OsConstants;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** Bundles that are pushed, picked, broken, too new or too large: a line on the screen, and the app goes on. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class BundlesTest {
    @Test
    public void aPushedBundleIsListedFirstAndAnswers() {
        Bundles.push("assistant", "mine");
        try (Driver app = Driver.start()) {
            app.until(() -> !app.session().opening());
            assertEquals("PUSHED/mine", app.session().chosen().key());
            assertEquals("weather_query", app.type("will it rain tomorrow").text(R.id.answer));
        }
    }

    @Test
    public void aChangedByteInTheModelIsRefusedBeforeAnyEngineSeesIt() throws Exception {
        Bundles.spoil(new File(Bundles.push("assistant", "changed"), "model.int8.onnx"));
        try (Driver app = Driver.start().choose("changed")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("its hash differs"));
            app.picture("bundle-changed-byte");
        }
    }

    @Test
    public void aMissingVocabularyIsNamed() {
        File bundle = Bundles.push("assistant", "speechless");
        assertTrue(new File(bundle, "tokenizer.json").delete());
        try (Driver app = Driver.start().choose("speechless")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("lacks the file 'tokenizer.json'"));
            app.picture("bundle-without-vocabulary");
            app.choose("assistant");
            assertEquals("", app.text(R.id.notice));
        }
    }

    @Test
    public void aNewerSchemaAsksForANewerApp() throws Exception {
        File bundle = Bundles.push("bearings", "newer");
        Bundles.write(bundle, Bundles.manifest(bundle).put("schema_version", 2));
        try (Driver app = Driver.start().choose("newer")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("schema version 2"));
            app.picture("bundle-newer-schema");
        }
    }

    @Test
    public void aFileNameThatPointsOutsideIsRefused() throws Exception {
        File bundle = Bundles.push("bearings", "outside");
        JSONObject manifest = Bundles.manifest(bundle);
        manifest.getJSONObject("files").put("../evil", manifest.getJSONObject("files").getJSONObject("README.md"));
        Bundles.write(bundle, manifest);
        try (Driver app = Driver.start().choose("outside")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("outside the bundle"));
        }
    }

    @Test
    public void aManifestThatIsCutShortIsRefused() throws Exception {
        File manifest = new File(Bundles.push("bearings", "cut"), "manifest.json");
        byte[] content = Files.readAllBytes(manifest.toPath());
        Files.write(manifest.toPath(), java.util.Arrays.copyOf(content, content.length / 2));
        try (Driver app = Driver.start().choose("cut")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("manifest.json"));
        }
    }

    @Test
    public void aBundleOfTfliteAloneSaysWhatItNeeds() throws Exception {
        File bundle = Bundles.push("bearings", "lite");
        JSONObject manifest = Bundles.manifest(bundle);
        manifest.getJSONObject("files").getJSONObject("model.int8.onnx").put("format", "tflite");
        Bundles.write(bundle, manifest);
        try (Driver app = Driver.start().choose("lite")) {
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("built without TensorFlow Lite"));
        }
    }

    @Test
    public void aCancelledPickerChangesNothing() {
        try (Driver app = Driver.with("bearings")) {
            pick(app, Activity.RESULT_CANCELED, null);
            assertEquals("No folder was picked, so nothing has changed.", app.text(R.id.notice));
            assertNotNull(app.session().opened());
            app.picture("picker-cancelled");
        }
    }

    @Test
    public void aPickedBundleIsCopiedWholeAndOpened() throws Exception {
        File bundle = Bundles.push("assistant", "brought");
        try (Driver app = Driver.start()) {
            pick(app, Activity.RESULT_OK, FolderProvider.serve(bundle));
            app.until(() -> app.session().chosen().key().equals("PICKED/brought") && !app.session().opening());
            assertNotNull(app.session().opened().text);
            File copy = new File(RuntimeEnvironment.getApplication().getFilesDir(), "bundles/brought");
            assertArrayEquals(bundle.list(), copy.list());
        }
    }

    @Test
    public void aPickedBundleThatIsBrokenLeavesNothingBehind() throws Exception {
        File bundle = Bundles.push("bearings", "bad");
        Bundles.spoil(new File(bundle, "model.int8.onnx"));
        try (Driver app = Driver.with("bearings")) {
            pick(app, Activity.RESULT_OK, FolderProvider.serve(bundle));
            app.settle();
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("its hash differs"));
            assertEquals(0, new File(RuntimeEnvironment.getApplication().getFilesDir(), "bundles").list().length);
        }
    }

    @Test
    public void aFolderWithoutAManifestIsNoBundle() throws Exception {
        File folder = new File(Bundles.pushed(), "holiday");
        assertTrue(folder.mkdirs());
        try (Driver app = Driver.with("bearings")) {
            pick(app, Activity.RESULT_OK, FolderProvider.serve(folder));
            app.settle();
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("has no manifest.json"));
        }
    }

    @Test
    public void aBundleThatIsLargerThanTheFreeStorageIsNotBegun() throws Exception {
        File bundle = Bundles.push("bearings", "huge");
        JSONObject manifest = Bundles.manifest(bundle);
        JSONObject huge = new JSONObject().put("sha256", "0").put("bytes", FolderProvider.HUGE).put("format", "text");
        manifest.getJSONObject("files").put("huge.bin", huge.put("precision", JSONObject.NULL));
        Bundles.write(bundle, manifest);
        assertTrue(new File(bundle, "huge.bin").createNewFile());
        try (Driver app = Driver.with("bearings")) {
            pick(app, Activity.RESULT_OK, FolderProvider.serve(bundle));
            app.settle();
            assertTrue(app.text(R.id.notice), app.text(R.id.notice).contains("free some space"));
            app.picture("storage-full");
        }
    }

    @Test
    public void aStorageThatFillsUpWhileWritingIsSaidInWords() {
        IOException full = new IOException("write failed", new ErrnoException("write", OsConstants.ENOSPC));
        assertTrue(Problems.line(full).startsWith("the storage of this device is full"));
        assertTrue(Problems.line(new IOException("write failed: ENOSPC (No space left on device)")).contains("full"));
    }

    @Test
    public void theBundleOfLastTimeIsOpenedAgain() {
        try (Driver app = Driver.with("bearings")) {
            Session later = new Session(RuntimeEnvironment.getApplication());
            later.refresh();
            assertEquals("BUILT_IN/bearings", later.chosen().key());
            assertNull(later.notice());
        }
    }

    private static void pick(Driver app, int result, Uri tree) {
        app.activity().findViewById(R.id.add).performClick();
        Intent request = shadowOf(app.activity()).getNextStartedActivity();
        assertEquals(Intent.ACTION_OPEN_DOCUMENT_TREE, request.getAction());
        shadowOf(app.activity()).receiveResult(request, result, tree == null ? null : new Intent().setData(tree));
    }
}
