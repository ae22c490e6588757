package org.penjing.demo;

import android.content.Context;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Pattern;
import org.json.JSONException;
import org.json.JSONObject;
import org.penjing.core.InputException;

/**
 * Results in the app's external folder {@code results}, where {@code adb pull} finds them without root.
 *
 * <p>Left out: deleting old ones.
 */
final class ResultFiles {
    private static final String FOLDER = "results";
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}");

    private ResultFiles() {}

    /** Throws unless the name stays in the folder: other apps may start a benchmark, too. */
    static void check(String name) throws InputException {
        if (name == null || !NAME.matcher(name).matches()) {
            throw new InputException("the result's name is '" + name
                    + "': give up to 100 of the letters A-Z a-z 0-9 . _ - and no dot in front");
        }
    }

    /** Writes it whole or not at all, and gives its path. */
    static String write(Context context, String name, String json) throws InputException, IOException {
        check(name);
        File folder = context.getExternalFilesDir(FOLDER);
        if (folder == null) {
            throw new IOException("this device's external storage is not there");
        }
        Storage.makeFolder(folder);
        File file = new File(folder, name);
        Storage.write(file, ByteBuffer.wrap(json.getBytes(StandardCharsets.UTF_8)));
        return file.getPath();
    }

    static String error(String line) {
        try {
            return new JSONObject().put("error", line).toString();
        } catch (JSONException never) {
            throw new IllegalStateException(never);
        }
    }

    static String nameOf(SpeedReport report) {
        String mode = report.result().plan().mode().name().toLowerCase(Locale.ROOT);
        String bundle = report.bundle().replaceAll("[^A-Za-z0-9._-]", "_");
        return "penjing-" + bundle + "-" + mode + ".json";
    }
}
