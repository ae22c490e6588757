package org.penjing.demo;

import static org.junit.Assume.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import org.json.JSONException;
import org.json.JSONObject;
import org.robolectric.RuntimeEnvironment;

/**
 * Real bundles, and copies of them that are broken on purpose.
 *
 * <p>Left out: making bundles: `penjing run` does.
 */
final class Bundles {
    private Bundles() {}

    /** What PENJING_BUNDLES names; a folder that is not there when it names nothing. */
    static File root() {
        return new File(String.valueOf(System.getenv("PENJING_BUNDLES")));
    }

    static File real(String name) {
        File folder = new File(root(), name);
        assumeTrue("PENJING_BUNDLES holds no " + name, folder.isDirectory());
        return folder;
    }

    /** Where adb pushes bundles to. */
    static File pushed() {
        return RuntimeEnvironment.getApplication().getExternalFilesDir("bundles");
    }

    /** A light copy of a real bundle, pushed: its int8 ONNX model and what is not a model. */
    static File push(String real, String as) {
        try {
            Path target = pushed().toPath().resolve(as);
            Files.createDirectories(target);
            JSONObject manifest = manifest(real(real));
            for (Iterator<String> names = manifest.getJSONObject("files").keys(); names.hasNext(); ) {
                String name = names.next();
                JSONObject entry = manifest.getJSONObject("files").getJSONObject(name);
                if (!entry.isNull("precision") && !name.equals("model.int8.onnx")) {
                    names.remove();
                } else {
                    Files.copy(real(real).toPath().resolve(name), target.resolve(name));
                }
            }
            write(target.toFile(), manifest.put("name", as));
            return target.toFile();
        } catch (IOException | JSONException error) {
            throw new AssertionError(error);
        }
    }

    static JSONObject manifest(File bundle) throws IOException, JSONException {
        byte[] content = Files.readAllBytes(bundle.toPath().resolve("manifest.json"));
        return new JSONObject(new String(content, StandardCharsets.UTF_8));
    }

    static void write(File bundle, JSONObject manifest) throws IOException {
        Files.write(bundle.toPath().resolve("manifest.json"), manifest.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** One byte in the middle of the file becomes another. */
    static void spoil(File file) throws IOException {
        byte[] content = Files.readAllBytes(file.toPath());
        content[content.length / 2] ^= 1;
        Files.write(file.toPath(), content);
    }
}
