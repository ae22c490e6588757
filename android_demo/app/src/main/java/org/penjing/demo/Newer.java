package org.penjing.demo;

import android.content.Context;
import android.os.Build;
import android.os.PowerManager;

/**
 * Every call that API 24 lacks, each behind a look at the version. The check of the API level skips this class and no
 * other.
 *
 * <p>Left out: calls that only look nicer.
 */
@ChecksVersion
final class Newer {
    private Newer() {}

    /** The system's own word for how hot the device is, 0 (none) to 6 (shutdown); -1 before API 29. */
    static int thermalStatus(Context context) {
        if (Build.VERSION.SDK_INT < 29) {
            return -1;
        }
        return ((PowerManager) context.getSystemService(Context.POWER_SERVICE)).getCurrentThermalStatus();
    }

    /** The processor's name; null before API 31. */
    static String socModel() {
        return Build.VERSION.SDK_INT < 31 ? null : Build.SOC_MODEL;
    }
}
