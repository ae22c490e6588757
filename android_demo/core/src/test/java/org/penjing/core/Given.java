package org.penjing.core;

import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONObject;
import org.junit.Assume;

/**
 * What the tests are given: real bundles (PENJING_BUNDLES), Python's answers (PENJING_PARITY), and copies of a bundle
 * in memory that a test may spoil.
 *
 * <p>Left out: engines but one that fails when told to: the real one is used.
 */
final class Given {
    private Given() {}

    static Bundle bundle(String name) throws BundleException {
        return Bundle.open(new FolderSource(folder(name)));
    }

    static File folder(String name) {
        String folder = System.getenv("PENJING_BUNDLES");
        Assume.assumeTrue("PENJING_BUNDLES names no folder of bundles", folder != null);
        File found = new File(folder, name);
        Assume.assumeTrue("there is no bundle " + found, new File(found, "manifest.json").isFile());
        return found;
    }

    /** The answers of Python that check/parity.py wrote. */
    static JSONObject parity(String name) throws IOException {
        String folder = System.getenv("PENJING_PARITY");
        Assume.assumeTrue("PENJING_PARITY names no folder of answers", folder != null);
        Path path = Path.of(folder, name);
        Assume.assumeTrue("there are no answers " + path, Files.exists(path));
        return new JSONObject(Files.readString(path));
    }

    /** A detector's engine that allocates nothing, and fails when told to. */
    static final class Broken implements Engine {
        private final FloatBuffer samples;
        boolean fails;
        float score = 1;

        Broken(int values) {
            samples = Buffers.direct(4 * values).asFloatBuffer();
        }

        @Override
        public String name() {
            return "none";
        }

        @Override
        public String version() {
            return "0";
        }

        @Override
        public float[] logits(int[] inputIds) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FloatBuffer samples() {
            return samples;
        }

        @Override
        public float score() throws EngineException {
            if (fails) {
                throw new EngineException("the engine failed");
            }
            return score;
        }

        @Override
        public void close() {}
    }

    /** A bundle in memory. */
    static final class Copy implements BundleSource {
        final Map<String, byte[]> files = new HashMap<>();

        static Copy of(String name) throws IOException {
            Copy copy = new Copy();
            for (File file : folder(name).listFiles()) {
                copy.files.put(file.getName(), Files.readAllBytes(file.toPath()));
            }
            return copy;
        }

        String text(String file) {
            return new String(files.get(file), StandardCharsets.UTF_8);
        }

        void put(String file, String text) {
            files.put(file, text.getBytes(StandardCharsets.UTF_8));
        }

        /** Changes one line of the manifest. */
        void manifest(String old, String changed) {
            put("manifest.json", text("manifest.json").replace(old, changed));
        }

        @Override
        public String name() {
            return "a copy";
        }

        @Override
        public long size(String file) {
            return files.containsKey(file) ? files.get(file).length : -1;
        }

        @Override
        public InputStream open(String file) throws IOException {
            if (!files.containsKey(file)) {
                throw new IOException("gone");
            }
            return new ByteArrayInputStream(files.get(file));
        }
    }
}
