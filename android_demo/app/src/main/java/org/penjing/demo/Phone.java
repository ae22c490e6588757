package org.penjing.demo;

import android.app.ActivityManager;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.BatteryManager;
import android.os.Build;
import android.os.Debug;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.penjing.core.Device;

/**
 * What a measurement must say about the device: its processor, its memory, how warm it is.
 *
 * <p>Left out: anything that tells one owner's device from another's, and the clock, which apps may not read.
 */
final class Phone {
    private Phone() {}

    static Device device(Context context, Map<String, String> engines, List<Device.Reading> readings) {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        ((ActivityManager) context.getSystemService(Context.ACTIVITY_SERVICE)).getMemoryInfo(memory);
        return new Device(processor(), architecture(), Runtime.getRuntime().availableProcessors(),
                (int) (memory.totalMem / 1_000_000), system(), emulated(), new HashMap<>(engines), readings);
    }

    static String model() {
        return Build.MANUFACTURER + " " + Build.MODEL;
    }

    static String system() {
        return "Android " + Build.VERSION.RELEASE + " (API " + Build.VERSION.SDK_INT + ")";
    }

    private static String processor() {
        return model() + ", " + (Newer.socModel() == null ? Build.HARDWARE : Newer.socModel());
    }

    private static String architecture() {
        String abi = Build.SUPPORTED_ABIS.length == 0 ? "" : Build.SUPPORTED_ABIS[0];
        return abi.equals("arm64-v8a") ? "aarch64" : abi;
    }

    private static boolean emulated() {
        return Build.FINGERPRINT.contains("generic") || Build.HARDWARE.contains("ranchu")
                || Build.HARDWARE.contains("goldfish");
    }

    /** In degrees Celsius; NaN when the battery does not say. */
    static double batteryTemperature(Context context) {
        Intent battery = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        int tenths = battery == null ? 0 : battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, 0);
        return tenths == 0 ? Double.NaN : tenths / 10.0;
    }

    /** Of this process, in MB (1e6 bytes); NaN when the system does not say. */
    static double memoryMb() {
        long kilobytes = Debug.getPss();
        return kilobytes <= 0 ? Double.NaN : kilobytes * 1024 / 1e6;
    }
}
