package org.penjing.core;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * An opened bundle: what its manifest lists is there, stays inside its folder, and has the hash it should have.
 *
 * <p>Left out: the manifest's content ({@link Manifest}) and reading ({@link Contents}).
 */
public final class Bundle {
    private static final List<String> FORMATS = Collections.unmodifiableList(Arrays.asList("onnx", "tflite"));
    private static final List<String> PRECISIONS = Collections.unmodifiableList(Arrays.asList("int8", "fp32"));

    private final BundleSource source;
    private final Manifest manifest;

    private Bundle(BundleSource source, Manifest manifest) {
        this.source = source;
        this.manifest = manifest;
    }

    /** Reads the manifest and checks that every listed file is there in full. Contents are checked when asked for. */
    public static Bundle open(BundleSource source) throws BundleException {
        long bytes = sizeOf(source, Manifest.NAME);
        if (bytes < 0) {
            throw new BundleException(source.name() + " holds no " + Manifest.NAME
                    + ", so it is no bundle: choose the folder that `penjing run` wrote");
        }
        ByteBuffer content = Contents.read(source, Manifest.NAME, bytes, Contents.freeMemory());
        Manifest manifest = Manifest.parse(decode(content, Manifest.NAME));
        for (Map.Entry<String, BundleFile> file : manifest.files().entrySet()) {
            checkSize(source, file.getKey(), file.getValue().bytes());
        }
        return new Bundle(source, manifest);
    }

    public Manifest manifest() {
        return manifest;
    }

    /** The name in the manifest. */
    public String name() {
        return manifest.name();
    }

    /** The model files, the preferred one first: ONNX before TFLite, then int8 before fp32. */
    public List<String> modelFiles() {
        List<String> names = new ArrayList<>();
        for (Map.Entry<String, BundleFile> file : manifest.files().entrySet()) {
            if (FORMATS.contains(file.getValue().format())) {
                names.add(file.getKey());
            }
        }
        Collections.sort(names, Comparator.comparingInt((String name) -> FORMATS.indexOf(file(name).format()))
                .thenComparingInt(name -> rank(file(name).precision())).thenComparing(name -> name));
        return names;
    }

    /** The preferred model file of those that fit; null fits all. Throws with a list of what there is. */
    public String modelFile(String format, String precision) throws BundleException {
        for (String name : modelFiles()) {
            BundleFile file = file(name);
            if (fits(format, file.format()) && fits(precision, file.precision())) {
                return name;
            }
        }
        String there = Words.join(modelFiles(), ", ");
        throw new BundleException(source.name() + " has no model file for " + (format == null ? "any engine" : format)
                + " in " + (precision == null ? "any precision" : precision) + ": choose of these: "
                + (there.isEmpty() ? "none" : there));
    }

    /** The whole content of a listed file in a direct buffer; its hash is checked before anybody sees it. */
    public ByteBuffer verified(String file) throws BundleException {
        return verified(file, Contents.freeMemory());
    }

    ByteBuffer verified(String file, long limit) throws BundleException {
        BundleFile entry = manifest.files().get(file);
        if (entry == null) {
            throw new BundleException(source.name() + " lists no file '" + file
                    + "' in its manifest: copy the bundle again");
        }
        ByteBuffer content = Contents.read(source, file, entry.bytes(), limit);
        if (!Contents.sha256(content).equals(entry.sha256())) {
            throw new BundleException(file + " of " + source.name()
                    + " is not the file that the manifest describes (its hash differs): copy the bundle again");
        }
        return content;
    }

    /** As {@link #verified}, for text in UTF-8. */
    public String verifiedText(String file) throws BundleException {
        return decode(verified(file), file);
    }

    private BundleFile file(String name) {
        return manifest.files().get(name);
    }

    private static int rank(String precision) {
        int rank = PRECISIONS.indexOf(precision);
        return rank < 0 ? PRECISIONS.size() : rank;
    }

    private static boolean fits(String wanted, String found) {
        return wanted == null || wanted.equals(found);
    }

    /** What is no UTF-8 becomes U+FFFD: a decoder that reports it takes 20 ms more, and the hash is right anyway. */
    private static String decode(ByteBuffer content, String file) throws BundleException {
        try {
            byte[] bytes = new byte[content.remaining()];
            content.get(bytes);
            return new String(bytes, StandardCharsets.UTF_8);
        } catch (OutOfMemoryError error) {
            throw Contents.tooLarge(file, content.limit(), Contents.freeMemory());
        }
    }

    private static void checkSize(BundleSource source, String file, long bytes) throws BundleException {
        long found = sizeOf(source, file);
        if (found < 0) {
            throw new BundleException(source.name() + " lacks the file '" + file
                    + "' that its manifest lists: copy the bundle again");
        }
        if (found != bytes) {
            throw new BundleException(file + " of " + source.name() + " has " + found + " bytes, its manifest says "
                    + bytes + ": copy the bundle again");
        }
    }

    private static long sizeOf(BundleSource source, String file) throws BundleException {
        try {
            return source.size(file);
        } catch (IOException error) {
            throw Contents.unreadable(source, file, error);
        }
    }
}
