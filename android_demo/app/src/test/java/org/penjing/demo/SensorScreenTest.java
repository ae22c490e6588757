package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Context;
import android.hardware.Sensor;
import android.hardware.SensorEvent;
import android.hardware.SensorManager;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.SensorEventBuilder;
import org.robolectric.shadows.ShadowLooper;
import org.robolectric.shadows.ShadowSensor;

/** The sensor screen: a phone that rests, shakes, falls silent, jumps in time; bundles that take something else. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class SensorScreenTest {
    private static final double EVENT_SECONDS = 0.01;

    private final SensorManager sensors =
            (SensorManager) RuntimeEnvironment.getApplication().getSystemService(Context.SENSOR_SERVICE);
    private final Random noise = new Random(1);
    private Sensor sensor;
    private double now = 1000;

    private Driver listening() {
        sensor = ShadowSensor.newInstance(Sensor.TYPE_ACCELEROMETER);
        shadowOf(sensors).addSensor(sensor);
        StandIn.push();
        Driver app = Driver.start();
        app.session().use(StandIn::open);
        return app.choose("shaking").tab(R.id.tab_sensor).tap(R.id.listen);
    }

    /** So many samples of a phone on a table, shaken by up to {@code force} m/s^2. */
    private void move(Driver app, int samples, double force) {
        for (int i = 0; i < samples; i++) {
            event(0, (float) (force * Math.sin(i)), (float) (9.81 + 0.3 * noise.nextGaussian()));
        }
        app.settle();
    }

    /** So many samples of a phone in a calm hand. */
    private void held(Driver app, int samples) {
        for (int i = 0; i < samples; i++) {
            event(wobble(i, 11), 1 + wobble(i, 23), 9.7f + wobble(i, 17));
        }
        app.settle();
    }

    private float wobble(int i, int period) {
        return (float) (0.15 * Math.sin(6.28 * i / period / 5) + 0.05 * noise.nextGaussian());
    }

    private void event(float x, float y, float z) {
        SensorEvent event = SensorEventBuilder.newBuilder().setSensor(sensor).setTimestamp((long) (now * 1e9))
                .setValues(new float[] {x, y, z}).build();
        shadowOf(sensors).sendSensorEventToListeners(event);
        now += EVENT_SECONDS;
    }

    @Test
    public void aPhoneAtRestIsNormalAndAShakenOneRaisesTheAlarm() {
        try (Driver app = listening()) {
            assertEquals("The window fills", app.text(R.id.state));
            move(app, 400, 2);
            assertEquals("Normal", app.text(R.id.state));
            move(app, 30, 14);
            assertEquals("Alarm", app.text(R.id.state));
            assertTrue(app.text(R.id.score_facts), app.text(R.id.score_facts).contains("seen"));
            move(app, 100, 2);
            app.picture("sensor-alarm");
        }
    }

    @Test
    public void theAlarmStaysInSightForThreeSeconds() {
        try (Driver app = listening()) {
            move(app, 100, 12);
            assertEquals("Alarm", app.text(R.id.state));
            move(app, 200, 0);
            assertEquals("Alarm", app.text(R.id.state));
            ShadowLooper.idleMainLooper(SignalRun.ALARM_SHOWN_MS, TimeUnit.MILLISECONDS);
            move(app, 2, 0);
            assertEquals("Normal", app.text(R.id.state));
        }
    }

    @Test
    public void aSensorThatStopsIsSaidAndHeardAgainWhenItComesBack() {
        try (Driver app = listening()) {
            move(app, 100, 0);
            ShadowLooper.idleMainLooper(3, TimeUnit.SECONDS);
            assertEquals("No samples", app.text(R.id.state));
            assertTrue(app.text(R.id.sensor_problem).startsWith("No samples for 2 s"));
            app.picture("sensor-silent");
            now += 3;
            move(app, 100, 0);
            ShadowLooper.idleMainLooper(1, TimeUnit.SECONDS);
            move(app, 10, 0);
            assertEquals("Normal", app.text(R.id.state));
        }
    }

    @Test
    public void aJumpInTimeStartsTheStreamAnew() {
        for (double jump : new double[] {-5, 10}) {
            try (Driver app = listening()) {
                move(app, 100, 0);
                assertEquals("Normal", app.text(R.id.state));
                now += jump;
                move(app, 10, 0);
                assertEquals("The window fills", app.text(R.id.state));
                assertTrue(app.text(R.id.sensor_problem), app.text(R.id.sensor_problem).contains("jumped by " + jump));
                move(app, 100, 0);
                assertEquals("Normal", app.text(R.id.state));
            }
        }
    }

    @Test
    public void rotationInTheMiddleGoesOnWithTheSameSeries() {
        try (Driver app = listening()) {
            move(app, 100, 0);
            int seen = app.session().signal().history.seen();
            app.rotate();
            move(app, 20, 0);
            assertTrue(app.session().signal().history.seen() > seen);
            assertEquals("Normal", app.text(R.id.state));
        }
    }

    @Test
    public void leavingTheAppLetsGoOfTheSensor() {
        try (Driver app = listening()) {
            app.controller().pause().stop();
            assertFalse(app.session().signal().running());
            assertFalse(shadowOf(sensors).hasListener(null, sensor));
            app.controller().start().resume();
        }
    }

    @Test
    public void aSampleThatIsNoNumberEndsTheRunWithALine() {
        try (Driver app = listening()) {
            move(app, 50, 0);
            event(0, Float.POSITIVE_INFINITY, 9.81f);
            event(0, 0, 9.81f);
            app.settle();
            assertFalse(app.session().signal().running());
            assertFalse(app.text(R.id.sensor_problem).isEmpty());
        }
    }

    @Test
    public void withoutAnAccelerometerTheRecordedExamplesAreShown() {
        StandIn.push();
        try (Driver app = Driver.start()) {
            app.session().use(StandIn::open);
            app.choose("shaking").tab(R.id.tab_sensor).tap(R.id.listen).settle();
            assertTrue(app.text(R.id.sensor_problem).contains("no accelerometer"));
            assertEquals("Normal", app.text(R.id.state));
        }
    }

    @Test
    public void aDetectorOfOtherFeaturesShowsItsGoldensWithTheirAlarms() {
        try (Driver app = Driver.with("bearings").tab(R.id.tab_sensor)) {
            assertTrue(app.text(R.id.source), app.text(R.id.source).contains("load, speed, rms, kurtosis and 8 more"));
            app.tap(R.id.listen).settle();
            for (int i = 1; i < 32; i++) {
                ShadowLooper.idleMainLooper(GoldenSignal.EVERY_MS, TimeUnit.MILLISECONDS);
                app.settle();
            }
            ScoreHistory history = app.session().signal().history;
            assertEquals(32, history.size());
            assertFalse(history.alarm(0));
            assertTrue(history.alarm(16)); // as the bundle's goldens say
            app.picture("sensor-demo");
        }
    }

    @Test
    public void aTextClassifierIsNotForSamples() {
        try (Driver app = Driver.with("assistant").tab(R.id.tab_sensor)) {
            assertTrue(app.text(R.id.source).startsWith("This bundle reads text"));
            assertFalse(app.activity().findViewById(R.id.listen).isEnabled());
        }
    }

    @Test
    public void theMotionBundleHearsAShakenPhone() {
        sensor = ShadowSensor.newInstance(Sensor.TYPE_ACCELEROMETER);
        shadowOf(sensors).addSensor(sensor);
        try (Driver app = Driver.with("motion").tab(R.id.tab_sensor).tap(R.id.listen)) {
            held(app, 400);
            assertEquals("Normal", app.text(R.id.state));
            move(app, 60, 9);
            assertEquals("Alarm", app.text(R.id.state));
            held(app, 220);
            app.picture("sensor-motion");
        }
    }
}
