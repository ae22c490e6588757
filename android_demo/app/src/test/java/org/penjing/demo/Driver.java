package org.penjing.demo;

import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeTrue;

import android.app.Activity;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.view.View;
import android.widget.EditText;
import android.widget.RadioGroup;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.function.BooleanSupplier;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.shadows.ShadowLooper;

/**
 * Drives the app as a hand would: opens it with a bundle, taps, types, rotates, waits for the worker, takes pictures.
 *
 * <p>Left out: fingers and time: a tap is performClick, and the main thread's clock stands until a test moves it.
 */
final class Driver implements AutoCloseable {
    private static final int LONGEST_WAIT_MS = 60_000;

    private final ActivityController<MainActivity> controller;

    private Driver(ActivityController<MainActivity> controller) {
        this.controller = controller;
    }

    /** Starts the app with a real bundle open, or skips the test where there is none. */
    static Driver with(String bundle) {
        assumeTrue("PENJING_BUNDLES holds no " + bundle, new File(Bundles.root(), bundle).isDirectory());
        Driver driver = start();
        driver.choose(bundle);
        return driver;
    }

    /** Starts the app as it is. */
    static Driver start() {
        return new Driver(Robolectric.buildActivity(MainActivity.class).setup());
    }

    Driver choose(String bundle) {
        for (BundleShelf.Shelved each : session().bundles()) {
            if (each.name().equals(bundle)) {
                session().choose(each);
                until(() -> !session().opening());
                return this;
            }
        }
        throw new AssertionError(bundle + " is not listed");
    }

    MainActivity activity() {
        return controller.get();
    }

    Session session() {
        return DemoApp.session(RuntimeEnvironment.getApplication());
    }

    Driver tab(int tab) {
        ((RadioGroup) activity().findViewById(R.id.tabs)).check(tab);
        return settle();
    }

    Driver type(CharSequence text) {
        EditText input = activity().findViewById(R.id.input);
        input.setText(text);
        input.setSelection(input.length());
        ShadowLooper.idleMainLooper(2L * TextScreen.REST_MS, java.util.concurrent.TimeUnit.MILLISECONDS);
        return settle();
    }

    Driver tap(int id) {
        assertTrue("cannot be tapped", activity().findViewById(id).isEnabled());
        activity().findViewById(id).performClick();
        return settle();
    }

    /** Lets the worker finish what it has, and the screen show it. */
    Driver settle() {
        boolean[] done = {false};
        session().worker.run(() -> null, outcome -> done[0] = true);
        return until(() -> done[0]);
    }

    Driver until(BooleanSupplier condition) {
        for (int waited = 0; !condition.getAsBoolean(); waited += 5) {
            assertTrue("it did not come", waited < LONGEST_WAIT_MS);
            ShadowLooper.idleMainLooper();
            try {
                Thread.sleep(5);
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
        }
        ShadowLooper.idleMainLooper();
        return this;
    }

    Driver rotate() {
        controller.recreate();
        ShadowLooper.idleMainLooper();
        return this;
    }

    ActivityController<MainActivity> controller() {
        return controller;
    }

    String text(int id) {
        TextView view = activity().findViewById(id);
        return view.getVisibility() == View.VISIBLE ? view.getText().toString() : "";
    }

    boolean visible(int id) {
        return activity().findViewById(id).isShown();
    }

    Driver picture(String name) {
        picture(activity(), name);
        return this;
    }

    static void picture(Activity activity, String name) {
        ShadowLooper.idleMainLooper();
        View window = activity.getWindow().getDecorView();
        Bitmap bitmap = Bitmap.createBitmap(window.getWidth(), window.getHeight(), Bitmap.Config.ARGB_8888);
        window.draw(new Canvas(bitmap));
        File file = new File(System.getProperty("shots", "."), name + ".png");
        try (FileOutputStream out = new FileOutputStream(file)) {
            assertTrue(bitmap.compress(Bitmap.CompressFormat.PNG, 100, out));
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    @Override
    public void close() {
        session().stop();
        controller.pause().stop().destroy();
    }
}
