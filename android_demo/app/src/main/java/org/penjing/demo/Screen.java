package org.penjing.demo;

import android.view.View;
import android.widget.TextView;

/**
 * One of the four screens: a view, and how to make it show what the session holds.
 *
 * <p>Left out: state of its own beyond what the user is typing; everything else must survive a rotation.
 */
abstract class Screen {
    final MainActivity activity;
    final Session session;
    final View view;

    Screen(MainActivity activity, int layout) {
        this.activity = activity;
        session = DemoApp.session(activity);
        view = activity.getLayoutInflater().inflate(layout, activity.findViewById(R.id.screen), false);
    }

    /** Shows the session as it is now; called at every change while the screen is in sight. */
    abstract void render();

    final <T extends View> T find(int id) {
        return view.findViewById(id);
    }

    /** A text that is out of sight when there is nothing to say. */
    static void say(TextView into, CharSequence text) {
        into.setVisibility(text == null || text.length() == 0 ? View.GONE : View.VISIBLE);
        set(into, text == null ? "" : text);
    }

    /** Sets a text only when it differs: screen readers speak every change of a live region. */
    static void set(TextView into, CharSequence text) {
        if (!text.toString().contentEquals(into.getText())) {
            into.setText(text);
        }
    }

    static void show(View which, boolean visible) {
        which.setVisibility(visible ? View.VISIBLE : View.GONE);
    }
}
