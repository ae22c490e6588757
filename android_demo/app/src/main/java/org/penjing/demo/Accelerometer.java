package org.penjing.demo;

import android.content.Context;
import android.hardware.Sensor;
import android.hardware.SensorEvent;
import android.hardware.SensorEventListener;
import android.hardware.SensorManager;
import android.os.Handler;
import android.os.Looper;
import android.os.SystemClock;

/**
 * The phone's accelerometer (m/s^2, gravity included) on the bundle's grid, with a watchdog: some sensors stop without
 * a word, for instance when another app takes them.
 *
 * <p>Left out: gyroscope and other sensors, and listening in the background, which needs a service.
 */
final class Accelerometer implements Signal, SensorEventListener {
    static final int CHANNELS = 3;
    static final long SILENT_AFTER_MS = 2000;
    private static final long LOOK_EVERY_MS = 500;
    private static final int SHORTEST_PERIOD_MICROS = 5000; // faster needs a permission from API 31 on

    private final SensorManager sensors;
    private final Sensor sensor;
    private final int periodMicros;
    private final Sink sink;
    private final Resampler resampler;
    private final Handler main = new Handler(Looper.getMainLooper());
    private final Runnable look = this::look;
    private long lastEvent;
    private boolean silent;

    private Accelerometer(SensorManager sensors, Sensor sensor, double period, Sink sink) {
        this.sensors = sensors;
        this.sensor = sensor;
        this.sink = sink;
        // Twice as fast as the grid, so that two neighbours are near every point of it.
        periodMicros = (int) Math.max(SHORTEST_PERIOD_MICROS, period * 1e6 / 2);
        resampler = new Resampler(period, CHANNELS, sink);
    }

    /** Null when this device has none. */
    static Accelerometer of(Context context, double period, Sink sink) {
        SensorManager sensors = (SensorManager) context.getSystemService(Context.SENSOR_SERVICE);
        Sensor sensor = sensors.getDefaultSensor(Sensor.TYPE_ACCELEROMETER);
        return sensor == null ? null : new Accelerometer(sensors, sensor, period, sink);
    }

    @Override
    public void start() {
        lastEvent = SystemClock.elapsedRealtime();
        sensors.registerListener(this, sensor, periodMicros);
        main.postDelayed(look, LOOK_EVERY_MS);
    }

    @Override
    public void stop() {
        sensors.unregisterListener(this);
        main.removeCallbacks(look);
    }

    private void look() {
        boolean now = SystemClock.elapsedRealtime() - lastEvent >= SILENT_AFTER_MS;
        if (now != silent) {
            silent = now;
            sink.silent(now);
        }
        main.postDelayed(look, LOOK_EVERY_MS);
    }

    @Override
    public void onSensorChanged(SensorEvent event) {
        lastEvent = SystemClock.elapsedRealtime();
        resampler.offer(event.timestamp / 1e9, event.values);
    }

    @Override
    public void onAccuracyChanged(Sensor changed, int accuracy) {}
}
