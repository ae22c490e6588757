package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.Rule;
import org.junit.Test;
import org.junit.function.ThrowingRunnable;
import org.junit.rules.TemporaryFolder;

/**
 * A bundle is opened whole and unchanged, or refused with a sentence.
 *
 * <p>Left out: what the files mean.
 */
public final class BundleTest {
    @Rule public final TemporaryFolder temporary = new TemporaryFolder();

    private static void refused(String words, ThrowingRunnable act) {
        BundleException error = assertThrows(BundleException.class, act);
        assertTrue(error.getMessage(), error.getMessage().contains(words));
        assertTrue("one line: " + error.getMessage(), error.getMessage().indexOf('\n') < 0);
    }

    @Test
    public void theRealBundleIsOpenedAndItsFilesAreOrdered() throws Exception {
        Bundle bundle = Given.bundle("assistant");
        assertEquals("assistant", bundle.name());
        assertEquals(16, bundle.manifest().labels().size());
        assertEquals(
                List.of("model.int8.onnx", "model.onnx", "model.int8.tflite", "model.tflite"), bundle.modelFiles());
        assertEquals("model.onnx", bundle.modelFile(null, "fp32"));
        assertEquals("model.int8.tflite", bundle.modelFile("tflite", null));
        assertEquals(bundle.manifest().files().get("model.onnx").bytes(), bundle.verified("model.onnx").remaining());
        assertTrue(bundle.verified("model.onnx").isDirect());
    }

    @Test
    public void aPrecisionThatIsNotThereIsRefusedWithWhatIs() throws Exception {
        Bundle bundle = Given.bundle("nab");
        refused("model.onnx, model.tflite", () -> bundle.modelFile(null, "int8"));
    }

    @Test
    public void aChangedByteIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("nab");
        copy.files.get("model.onnx")[1000] ^= 1;
        Bundle bundle = Bundle.open(copy);
        refused("its hash differs", () -> bundle.verified("model.onnx"));
        refused("its hash differs", () -> Detector.open(bundle, null, 1, OnnxEngine::open));
    }

    @Test
    public void aMissingVocabularyIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("assistant");
        copy.files.remove("tokenizer.json");
        refused("lacks the file 'tokenizer.json'", () -> Bundle.open(copy));
        copy.files.remove("manifest.json");
        refused("holds no manifest.json", () -> Bundle.open(copy));
    }

    @Test
    public void aFileOfAnotherLengthIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("nab");
        copy.files.put("model.onnx", Arrays.copyOf(copy.files.get("model.onnx"), 1860));
        refused("has 1860 bytes, its manifest says 1861", () -> Bundle.open(copy));
    }

    @Test
    public void aFileThatShrinksAfterItsCheckIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("nab");
        Bundle bundle = Bundle.open(copy);
        copy.files.put("model.onnx", new byte[10]);
        refused("has not the 1861 bytes", () -> bundle.verified("model.onnx"));
        copy.files.put("model.onnx", new byte[100_000]);
        refused("has not the 1861 bytes", () -> bundle.verified("model.onnx"));
        copy.files.remove("model.onnx");
        refused("cannot be read (gone)", () -> bundle.verified("model.onnx"));
    }

    @Test
    public void aNewerSchemaIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("nab");
        copy.manifest("\"schema_version\": 1", "\"schema_version\": 2");
        refused("has schema version 2, this app reads 1", () -> Bundle.open(copy));
    }

    @Test
    public void aNameThatPointsOutsideIsRefused() throws Exception {
        for (String name : List.of("../model.onnx", "..\\\\model.onnx", "/model.onnx", "\\\\model.onnx",
                "C:model.onnx", "c:/model.onnx", "a/../../model.onnx", "a\\\\..\\\\model.onnx", "..", "")) {
            Given.Copy copy = Given.Copy.of("nab");
            copy.manifest("\"model.onnx\": {\n      \"bytes\"", "\"" + name + "\": {\n      \"bytes\"");
            refused("lies outside the bundle", () -> Bundle.open(copy));
        }
    }

    @Test
    public void aManifestThatIsCutOrNoJsonIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("nab");
        String whole = copy.text("manifest.json");
        for (int length : new int[] {0, 1, 100, whole.length() / 2, whole.lastIndexOf('}') - 1}) {
            copy.put("manifest.json", whole.substring(0, length));
            refused("is not JSON", () -> Bundle.open(copy));
        }
        copy.put("manifest.json", "[".repeat(100_000));
        refused("manifest.json", () -> Bundle.open(copy));
        copy.files.put("manifest.json", new byte[] {'{', (byte) 0xff, '}'});
        refused("is not JSON", () -> Bundle.open(copy));
    }

    @Test
    public void aManifestThatLacksOrMisstatesAValueIsRefused() throws Exception {
        for (String key : List.of("task", "files", "labels", "max_length", "postprocess")) {
            Given.Copy copy = Given.Copy.of("nab");
            copy.manifest("\"" + key + "\"", "\"other\"");
            refused(key, () -> Bundle.open(copy));
        }
        Given.Copy copy = Given.Copy.of("nab");
        copy.manifest("\"max_length\": 16", "\"max_length\": 2000000000");
        refused("max_length of 2000000000", () -> Bundle.open(copy));
    }

    @Test
    public void aFileLargerThanFreeMemoryIsRefused() throws Exception {
        Bundle bundle = Given.bundle("assistant");
        refused("model.onnx takes 25 MB, free are 8 MB", () -> bundle.verified("model.onnx", 8_000_000));
    }

    @Test
    public void aFileLargerThanThisProcessMayHoldIsRefused() throws Exception {
        File folder = temporary.newFolder();
        Given.Copy copy = Given.Copy.of("nab");
        copy.manifest("\"bytes\": 1861", "\"bytes\": 3000000000");
        for (String name : copy.files.keySet()) {
            Files.write(folder.toPath().resolve(name), copy.files.get(name));
        }
        try (var file = new java.io.RandomAccessFile(new File(folder, "model.onnx"), "rw")) {
            file.setLength(3_000_000_000L);  // takes no room on the disk
        }
        Bundle bundle = Bundle.open(new FolderSource(folder));
        refused("model.onnx takes 3000 MB", () -> bundle.verified("model.onnx"));
    }

    @Test
    public void aLinkIsRefused() throws Exception {
        File folder = temporary.newFolder();
        for (File file : Given.folder("nab").listFiles()) {
            Files.copy(file.toPath(), folder.toPath().resolve(file.getName()));
        }
        Bundle.open(new FolderSource(folder));
        Path link = folder.toPath().resolve("model.onnx");
        Files.delete(link);
        Files.createSymbolicLink(link, new File(Given.folder("nab"), "model.onnx").toPath().toRealPath());
        refused("it is a link", () -> Bundle.open(new FolderSource(folder)));
    }

    @Test
    public void aFolderThatIsReachedThroughALinkIsFine() throws Exception {
        Path link = temporary.getRoot().toPath().resolve("link");
        Files.createSymbolicLink(link, Given.folder("nab").toPath().toRealPath());
        assertEquals("nab", Bundle.open(new FolderSource(link.toFile())).name());
    }

    @Test
    public void aFileThatTheManifestDoesNotListIsRefused() throws Exception {
        Bundle bundle = Given.bundle("nab");
        refused("lists no file 'secret'", () -> bundle.verified("secret"));
    }
}
