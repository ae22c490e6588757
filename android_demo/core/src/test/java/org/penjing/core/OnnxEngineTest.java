package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.Test;

/**
 * ONNX Runtime opens what is right and says what is not; where its library is missing, that is said too.
 *
 * <p>Left out: what the numbers mean.
 */
public final class OnnxEngineTest {
    @Test
    public void aFileOfRubbishIsRefusedInOneLine() throws Exception {
        Manifest manifest = Given.bundle("nab").manifest();
        ByteBuffer rubbish = ByteBuffer.allocateDirect(100);
        EngineException error = assertThrows(
                EngineException.class, () -> OnnxEngine.open(rubbish, manifest, "model.onnx", 1));
        assertTrue(error.getMessage(), error.getMessage().startsWith("ONNX Runtime 1.29.0 refuses model.onnx: "));
        assertTrue(error.getMessage().indexOf('\n') < 0);
    }

    @Test
    public void noThreadsAndOtherFormatsAreRefused() throws Exception {
        Bundle bundle = Given.bundle("nab");
        assertThrows(EngineException.class, () -> Detector.open(bundle, null, 0, OnnxEngine::open));
        EngineException error = assertThrows(
                EngineException.class, () -> Detector.openFile(bundle, "model.tflite", 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("of the format tflite"));
    }

    @Test
    public void aGraphOfAnotherBundleIsRefused() throws Exception {
        ByteBuffer model = Given.bundle("nab").verified("model.onnx");
        for (String other : List.of("bearings", "ecg5000")) {
            Manifest manifest = Given.bundle(other).manifest();
            BundleException error = assertThrows(
                    BundleException.class, () -> OnnxEngine.open(model.duplicate(), manifest, "model.onnx", 1));
            assertTrue(error.getMessage(), error.getMessage().contains("are of two bundles"));
        }
        Manifest text = Given.bundle("assistant").manifest();
        assertThrows(BundleException.class, () -> OnnxEngine.open(model, text, "model.onnx", 1));
    }

    @Test
    public void moreTokensThanTheModelTakesAreRefused() throws Exception {
        Bundle bundle = Given.bundle("assistant");
        try (Engine engine = OnnxEngine.open(bundle.verified("model.onnx"), bundle.manifest(), "model.onnx", 1)) {
            assertThrows(EngineException.class, () -> engine.logits(new int[129]));
            assertThrows(EngineException.class, () -> engine.logits(new int[0]));
            assertThrows(EngineException.class, () -> engine.logits(new int[] {101, 1 << 30, 102}));
            assertEquals(16, engine.logits(new int[] {101, 102}).length);
        }
    }

    @Test
    public void aLibraryThatIsMissingOrDoesNotLoadIsSaid() throws Exception {
        File bundle = Given.folder("nab");
        String path = System.getProperty("java.class.path");
        String without = Arrays.stream(path.split(File.pathSeparator)).filter(part -> !part.contains("onnxruntime"))
                .collect(Collectors.joining(File.pathSeparator));
        String nowhere = "-Donnxruntime.native.path=" + bundle;
        for (List<String> options : List.of(List.of("-cp", without), List.of(nowhere, "-cp", path))) {
            String said = freshProcess(options, bundle);
            assertTrue(said, said.startsWith("the library of ONNX Runtime for "));
            assertTrue(said, said.trim().endsWith("install the app made for this device"));
        }
    }

    private static String freshProcess(List<String> options, File bundle) throws Exception {
        List<String> command = new java.util.ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java"));
        command.addAll(options);
        command.addAll(List.of(Opens.class.getName(), bundle.getPath()));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return said;
    }

    /** Opens a detector twice: the second try after a failed one fails in another way. */
    static final class Opens {
        private Opens() {}

        public static void main(String[] arguments) throws Exception {
            Bundle bundle = Bundle.open(new FolderSource(new File(arguments[0])));
            String said = "nothing";
            for (int i = 0; i < 2; i++) {
                try {
                    Detector.open(bundle, null, 1, OnnxEngine::open);
                } catch (EngineException error) {
                    said = error.getMessage();
                }
            }
            System.out.println(said);
        }
    }
}
