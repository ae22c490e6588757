package org.penjing.core;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * The few things that {@code org.json} lacks: errors for the user, and arrays of one type.
 *
 * <p>Left out: what newer versions of {@code org.json} add and Android's own has not. There its exception is a
 * checked one, so every call stands inside a {@code catch (JSONException)}.
 */
final class Json {
    private Json() {}

    /** The object that a text holds; {@code what} names the text in errors. */
    static JSONObject object(String text, String what) throws BundleException {
        try {
            return new JSONObject(text);
        } catch (JSONException error) {
            throw new BundleException(what + " is not JSON (" + Words.oneLine(error) + "): copy the bundle again",
                    error);
        } catch (StackOverflowError error) {
            throw new BundleException(what + " is nested too deeply: copy the bundle again", error);
        }
    }

    /** The error for a value that is missing or of another type. */
    static BundleException misstated(String what, JSONException error) {
        return new BundleException(what + " lacks or misstates a value (" + Words.oneLine(error)
                + "): copy the bundle again", error);
    }

    static String[] strings(JSONArray array) {
        String[] values = new String[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getString(i);
        }
        return values;
    }

    static double[] doubles(JSONArray array) {
        double[] values = new double[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getDouble(i);
        }
        return values;
    }

    static float[] floats(JSONArray array) {
        float[] values = new float[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) array.getDouble(i);
        }
        return values;
    }

    static int[] ints(JSONArray array) {
        int[] values = new int[array.length()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.getInt(i);
        }
        return values;
    }
}
