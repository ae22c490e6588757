package org.penjing.demo;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.os.Bundle;
import android.util.SparseArray;
import android.view.View;
import android.view.ViewGroup;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.RadioGroup;
import android.widget.ScrollView;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The frame around four screens: the chooser of bundles above, the tabs below. Each change of the session is shown by
 * the screen in sight.
 *
 * <p>Left out: what is open and running ({@link Session}), which outlives this activity.
 */
public final class MainActivity extends Activity {
    private static final int PICK_FOLDER = 1;

    private final SparseArray<Screen> screens = new SparseArray<>();
    private Session session;
    private Spinner chooser;
    private RadioGroup tabs;
    private List<BundleShelf.Shelved> listed = Collections.emptyList();

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        session = DemoApp.session(this);
        setContentView(R.layout.main);
        chooser = findViewById(R.id.bundles);
        tabs = findViewById(R.id.tabs);
        add(R.id.tab_text, new TextScreen(this));
        add(R.id.tab_sensor, new SensorScreen(this));
        add(R.id.tab_speed, new SpeedScreen(this));
        add(R.id.tab_about, new AboutScreen(this));
        showTab(tabs.getCheckedRadioButtonId());
        tabs.setOnCheckedChangeListener((group, tab) -> {
            session.say(null);
            showTab(tab);
        });
        findViewById(R.id.add).setOnClickListener(button -> pick());
        chooser.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int position, long id) {
                BundleShelf.Shelved next = listed.get(position);
                if (session.chosen() == null || !next.key().equals(session.chosen().key())) {
                    session.choose(next);
                }
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) {}
        });
    }

    private void add(int tab, Screen screen) {
        screens.put(tab, screen);
        ((ViewGroup) findViewById(R.id.screen)).addView(screen.view);
    }

    private void showTab(int tab) {
        for (int i = 0; i < screens.size(); i++) {
            Screen.show(screens.valueAt(i).view, screens.keyAt(i) == tab);
        }
        ((ScrollView) findViewById(R.id.scroll)).scrollTo(0, 0);
        render();
    }

    @Override
    protected void onStart() {
        super.onStart();
        session.listen(this::render);
        session.refresh();
    }

    @Override
    protected void onStop() {
        super.onStop();
        session.listen(null);
        if (!isChangingConfigurations()) {
            session.stopSensor(); // it costs power, and nobody looks
        }
    }

    private void render() {
        renderChooser();
        TextView notice = findViewById(R.id.notice);
        boolean empty = session.bundles().isEmpty();
        Screen.say(notice, session.notice() != null ? session.notice() : empty ? getString(R.string.no_bundle) : null);
        screens.get(tabs.getCheckedRadioButtonId()).render();
    }

    private void renderChooser() {
        if (listed != session.bundles()) {
            listed = session.bundles();
            List<String> names = new ArrayList<>();
            for (BundleShelf.Shelved each : listed) {
                names.add(name(each));
            }
            chooser.setAdapter(new ArrayAdapter<>(this, R.layout.bundle_item, names));
        }
        for (int i = 0; i < listed.size(); i++) {
            boolean chosen = session.chosen() != null && listed.get(i).key().equals(session.chosen().key());
            if (chosen && chooser.getSelectedItemPosition() != i) {
                chooser.setSelection(i, false);
            }
        }
    }

    private String name(BundleShelf.Shelved bundle) {
        return switch (bundle.place()) {
            case BUILT_IN -> bundle.name();
            case PICKED -> getString(R.string.bundle_picked, bundle.name());
            case PUSHED -> getString(R.string.bundle_pushed, bundle.name());
        };
    }

    private void pick() {
        try {
            startActivityForResult(new Intent(Intent.ACTION_OPEN_DOCUMENT_TREE), PICK_FOLDER);
        } catch (ActivityNotFoundException none) {
            session.say(getString(R.string.no_picker));
        }
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (request != PICK_FOLDER) {
            return;
        }
        if (result == RESULT_OK && data != null && data.getData() != null) {
            session.add(data.getData());
        } else {
            session.say(getString(R.string.picker_cancelled));
        }
    }
}
