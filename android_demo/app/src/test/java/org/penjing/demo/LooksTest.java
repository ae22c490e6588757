package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.graphics.Insets;
import android.text.Layout;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.widget.EditText;
import android.widget.ImageButton;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowLooper;

/** How the four screens look: light and dark, large text, right to left, German, turned, beside bars and keyboard. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class LooksTest {
    private static final int[] TABS = {R.id.tab_text, R.id.tab_sensor, R.id.tab_speed, R.id.tab_about};
    private static final String[] NAMES = {"text", "sensor", "speed", "about"};
    private static final int SMALLEST_TOUCH_DP = 48;

    /** Opens every tab with something in it, takes its picture and looks at every view. */
    private static void look(String name) {
        try (Driver app = Driver.with("assistant").type("play some jazz")) {
            ((TextView) app.activity().findViewById(R.id.answer_facts)).setText("5 tokens · … ms");
            for (int i = 0; i < TABS.length; i++) {
                app.tab(TABS[i]);
                app.picture(name + "-" + NAMES[i]);
                check(app);
            }
            app.choose("bearings").tab(R.id.tab_sensor).tap(R.id.listen).settle().picture(name + "-sensor");
            check(app);
        }
    }

    private static void check(Driver app) {
        float density = app.activity().getResources().getDisplayMetrics().density;
        for (View view : inSight(app.activity().findViewById(R.id.frame))) {
            if (view.isClickable() && !(view instanceof TextView text && text.isTextSelectable())) {
                assertTrue(view + " is too small to touch", view.getHeight() >= SMALLEST_TOUCH_DP * density - 1);
                assertTrue(view + " is too narrow to touch", view.getWidth() >= SMALLEST_TOUCH_DP * density - 1);
            }
            if (view instanceof ImageButton) {
                assertFalse(view + " has no words", String.valueOf(view.getContentDescription()).isEmpty());
            }
            if (view instanceof TextView text && !(view instanceof EditText)) {
                assertTrue("cut: " + text.getText(), whole(text));
            }
        }
    }

    private static boolean whole(TextView text) {
        Layout layout = text.getLayout();
        return layout == null || layout.getLineCount() == 0
                || (layout.getEllipsisCount(layout.getLineCount() - 1) == 0 && layout.getHeight() <= text.getHeight());
    }

    private static List<View> inSight(View view) {
        List<View> found = new ArrayList<>();
        if (view.isShown()) {
            found.add(view);
            for (int i = 0; view instanceof ViewGroup group && i < group.getChildCount(); i++) {
                found.addAll(inSight(group.getChildAt(i)));
            }
        }
        return found;
    }

    @Test
    public void inTheLight() {
        look("light");
    }

    @Test
    @Config(qualifiers = "w411dp-h891dp-night-xhdpi")
    public void atNight() {
        look("dark");
    }

    @Test
    @Config(fontScale = 1.8f)
    public void withLargeText() {
        look("large");
    }

    @Test
    @Config(qualifiers = "w320dp-h568dp-xhdpi", fontScale = 1.3f)
    public void onASmallPhone() {
        look("small");
    }

    @Test
    @Config(qualifiers = "ar-ldrtl-w411dp-h891dp-xhdpi")
    public void fromRightToLeft() {
        look("rtl");
        try (Driver app = Driver.with("assistant")) {
            assertEquals(View.LAYOUT_DIRECTION_RTL, app.activity().findViewById(R.id.frame).getLayoutDirection());
            int[] add = new int[2];
            app.activity().findViewById(R.id.add).getLocationInWindow(add);
            assertTrue("the button stands left", add[0] < 100);
        }
    }

    @Test
    @Config(qualifiers = "de-w411dp-h891dp-xhdpi")
    public void inGerman() {
        look("german");
        try (Driver app = Driver.with("bearings").tab(R.id.tab_speed)) {
            assertEquals("Jede Datei des Bündels reihum, die erste doppelt.", app.text(R.id.speed_state));
        }
    }

    @Test
    @Config(qualifiers = "w891dp-h411dp-land-xhdpi")
    public void turnedOnItsSide() {
        look("land");
    }

    @Test
    @Config(qualifiers = "w1280dp-h800dp-land-mdpi")
    public void onATablet() {
        look("tablet");
    }

    @Test
    public void contentKeepsClearOfBarsAndKeyboard() {
        try (Driver app = Driver.with("assistant").type("call Mia")) {
            assertEquals(0, top(app));
            app.activity().getWindow().setDecorFitsSystemWindows(false); // as Android 15 does for every app
            ShadowLooper.idleMainLooper();
            inset(app, 0, 96);
            assertEquals(48, top(app));
            int bottom = bottom(app);
            app.picture("insets");
            inset(app, 700, 96);
            assertTrue("the keyboard covers the tabs", bottom(app) <= bottom - 600);
            app.picture("insets-keyboard");
        }
    }

    private static void inset(Driver app, int keyboard, int navigation) {
        WindowInsets insets = new WindowInsets.Builder()
                .setInsets(WindowInsets.Type.statusBars(), Insets.of(0, 48, 0, 0))
                .setInsets(WindowInsets.Type.navigationBars(), Insets.of(0, 0, 0, navigation))
                .setInsets(WindowInsets.Type.ime(), Insets.of(0, 0, 0, keyboard))
                .setSystemWindowInsets(Insets.of(0, 48, 0, Math.max(keyboard, navigation))).build();
        app.activity().getWindow().getDecorView().dispatchApplyWindowInsets(insets);
        ShadowLooper.idleMainLooper();
    }

    private static int top(Driver app) {
        int[] place = new int[2];
        ViewGroup frame = app.activity().findViewById(R.id.frame);
        frame.getChildAt(0).getLocationInWindow(place);
        return place[1];
    }

    private static int bottom(Driver app) {
        int[] place = new int[2];
        View tabs = app.activity().findViewById(R.id.tabs);
        tabs.getLocationInWindow(place);
        return place[1] + tabs.getHeight();
    }
}
