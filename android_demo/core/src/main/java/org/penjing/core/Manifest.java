package org.penjing.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * What a bundle holds (schema version 1), as {@code penjing.runtime.manifest} defines it.
 *
 * <p>Of a detector, {@code maxLength} is its window. Left out: the inputs' shapes, which the engine checks by the graph
 * itself.
 */
public record Manifest(
        String name, String task, List<String> labels, int maxLength, List<Integer> sequenceLengths,
        Map<String, BundleFile> files, JSONObject preprocess, JSONObject postprocess, List<Quality> quality,
        JSONObject provenance) {

    static final String NAME = "manifest.json";
    private static final int SCHEMA_VERSION = 1;
    private static final String DETECTOR_TASK = "anomaly-detection";
    /** Far above any model's; buffers of this length are made before a model is asked. */
    private static final int LONGEST = 1 << 20;

    /** Whether the model takes samples; all others take text. */
    public boolean isDetector() {
        return task.equals(DETECTOR_TASK);
    }

    static Manifest parse(String json) throws BundleException {
        JSONObject raw = Json.object(json, NAME);
        Object version = raw.opt("schema_version");
        if (!Integer.valueOf(SCHEMA_VERSION).equals(version)) {
            throw new BundleException(NAME + " has schema version " + version + ", this app reads " + SCHEMA_VERSION
                    + ": update the app, or make the bundle with its Penjing");
        }
        try {
            Manifest manifest = read(raw);
            manifest.check();
            return manifest;
        } catch (JSONException error) {
            throw Json.misstated(NAME, error);
        }
    }

    private static Manifest read(JSONObject raw) {
        List<Integer> lengths = new ArrayList<>();
        for (int length : Json.ints(raw.getJSONArray("sequence_lengths"))) {
            lengths.add(length);
        }
        return new Manifest(
                raw.getString("name"), raw.getString("task"),
                Collections.unmodifiableList(Arrays.asList(Json.strings(raw.getJSONArray("labels")))),
                raw.getInt("max_length"), Collections.unmodifiableList(lengths), readFiles(raw.getJSONObject("files")),
                raw.getJSONObject("preprocess"), raw.getJSONObject("postprocess"),
                readQuality(raw.getJSONArray("quality")), raw.getJSONObject("provenance"));
    }

    private static Map<String, BundleFile> readFiles(JSONObject raw) {
        Map<String, BundleFile> files = new LinkedHashMap<>();
        for (Iterator<String> names = raw.keys(); names.hasNext(); ) {
            String name = names.next();
            JSONObject entry = raw.getJSONObject(name);
            String precision = entry.isNull("precision") ? null : entry.getString("precision");
            files.put(name, new BundleFile(
                    entry.getString("sha256"), entry.getLong("bytes"), entry.getString("format"), precision));
        }
        return Collections.unmodifiableMap(files);
    }

    private static List<Quality> readQuality(JSONArray raw) {
        List<Quality> quality = new ArrayList<>();
        for (int i = 0; i < raw.length(); i++) {
            JSONObject entry = raw.getJSONObject(i);
            quality.add(new Quality(
                    entry.getString("file"), entry.getString("metric"), entry.getString("split"), entry.getInt("n"),
                    entry.getDouble("value"), entry.getDouble("low"), entry.getDouble("high")));
        }
        return Collections.unmodifiableList(quality);
    }

    private void check() throws BundleException {
        for (String name : files.keySet()) {
            checkFileName(name);
        }
        if (maxLength < 1 || maxLength > LONGEST) {
            throw new BundleException(NAME + " has a max_length of " + maxLength + ", allowed is 1 to " + LONGEST
                    + ": copy the bundle again");
        }
    }

    /** Throws unless the name stays inside the bundle, on Android and on Windows, where it may have been made. */
    static void checkFileName(String name) throws BundleException {
        boolean drive = name.length() > 1 && name.charAt(1) == ':';
        boolean root = name.startsWith("/") || name.startsWith("\\");
        if (name.isEmpty() || drive || root || Arrays.asList(name.split("[/\\\\]")).contains("..")) {
            throw new BundleException(NAME + " names the file '" + name + "', which lies outside the bundle: do not use"
                    + " this bundle");
        }
    }
}
