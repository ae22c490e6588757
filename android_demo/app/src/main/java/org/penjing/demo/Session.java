package org.penjing.demo;

import android.content.Context;
import android.content.SharedPreferences;
import android.net.Uri;
import java.util.Collections;
import java.util.List;
import org.penjing.core.BenchmarkPlan;
import org.penjing.core.EngineFactory;
import org.penjing.core.PenjingException;
import org.penjing.core.SelfTest;

/**
 * What is open and what runs, as long as the process lives: screens come and go with every rotation, this stays. It
 * belongs to the main thread; only its worker is another.
 *
 * <p>Left out: how any of it looks.
 */
final class Session {
    private static final String CHOSEN = "chosen";

    final Worker worker = new Worker();
    final BundleShelf shelf;
    private final Context context;
    private final SharedPreferences memory;
    private EngineFactory engines = Engines::open;
    private Runnable listener = () -> {};
    private List<BundleShelf.Shelved> bundles = Collections.emptyList();
    private BundleShelf.Shelved chosen;
    private Opened opened;
    private boolean opening;
    private int choices;
    private String problem;
    private String notice;
    private Task<SpeedReport> benchmark;
    private Task<List<SelfTest.Row>> selfTest;
    private SignalRun signal;

    Session(Context context) {
        this.context = context;
        shelf = new BundleShelf(context);
        memory = context.getSharedPreferences("penjing", Context.MODE_PRIVATE);
    }

    /** Whom to tell of every change; null for nobody. */
    void listen(Runnable changed) {
        listener = changed == null ? () -> {} : changed;
    }

    /** For tests: another engine. */
    void use(EngineFactory factory) {
        engines = factory;
    }

    /** Looks which bundles there are, and opens the one that was open last time, or else the first. */
    void refresh() {
        bundles = shelf.read();
        if (chosen == null && !bundles.isEmpty()) {
            choose(find(memory.getString(CHOSEN, "")));
        }
        changed();
    }

    private BundleShelf.Shelved find(String key) {
        for (BundleShelf.Shelved each : bundles) {
            if (each.key().equals(key)) {
                return each;
            }
        }
        return bundles.get(0);
    }

    /** Opens a bundle instead of the one that is open. */
    void choose(BundleShelf.Shelved next) {
        stop();
        Opened before = opened;
        int mine = ++choices;
        chosen = next;
        opened = null;
        problem = null;
        notice = null;
        benchmark = null;
        selfTest = null;
        signal = null;
        opening = true;
        memory.edit().putString(CHOSEN, next.key()).apply();
        changed();
        worker.run(() -> reopen(before, next), outcome -> {
            if (mine == choices) {
                opening = false;
                opened = outcome.value();
                problem = opened == null ? outcome.problem() : opened.problem;
                changed();
            } else if (outcome.value() != null) {
                close(outcome.value()); // another was chosen meanwhile
            }
        });
    }

    private Opened reopen(Opened before, BundleShelf.Shelved next) throws Exception {
        if (before != null) {
            before.close();
        }
        return Opened.open(next.source(), engines);
    }

    private void close(Opened old) {
        worker.run(() -> {
            old.close();
            return null;
        }, done -> {});
    }

    /** Copies the bundle in a folder that the user picked, and opens it. */
    void add(Uri tree) {
        say(context.getString(R.string.copying));
        worker.run(() -> shelf.copy(tree), outcome -> {
            say(outcome.problem());
            if (outcome.value() != null) {
                bundles = shelf.read();
                choose(find(outcome.value()));
            }
        });
    }

    /** Shows a line above every screen; null removes it. */
    void say(String line) {
        notice = line;
        changed();
    }

    void measure(BenchmarkPlan plan) {
        stop();
        Opened subject = opened;
        benchmark = Task.start(worker,
                progress -> SpeedReport.measure(context, subject.bundle, plan, engines, progress), this::changed);
        changed();
    }

    void testItself() {
        stop();
        Opened subject = opened;
        selfTest = Task.start(worker, progress -> SelfTest.run(subject.bundle, 1, engines, progress), this::changed);
        changed();
    }

    /** Starts to score the accelerometer, or the goldens where the bundle takes something else. */
    void listenToSensor() {
        stop();
        try {
            signal = SignalRun.start(context, worker, opened, this::changed);
            changed();
        } catch (PenjingException error) {
            say(error.getMessage());
        }
    }

    /** Ends whatever runs; what is done stays to be looked at. */
    void stop() {
        if (benchmark != null) {
            benchmark.cancel();
        }
        if (selfTest != null) {
            selfTest.cancel();
        }
        stopSensor();
    }

    void stopSensor() {
        if (signal != null) {
            signal.stop();
        }
    }

    private void changed() {
        listener.run();
    }

    EngineFactory engines() {
        return engines;
    }

    List<BundleShelf.Shelved> bundles() {
        return bundles;
    }

    BundleShelf.Shelved chosen() {
        return chosen;
    }

    /** Null while a bundle is being opened, and when it could not be. */
    Opened opened() {
        return opened;
    }

    boolean opening() {
        return opening;
    }

    /** What to say above every screen: the last thing said, or else why the bundle cannot be used. */
    String notice() {
        return notice != null ? notice : problem;
    }

    Task<SpeedReport> benchmark() {
        return benchmark;
    }

    Task<List<SelfTest.Row>> selfTest() {
        return selfTest;
    }

    SignalRun signal() {
        return signal;
    }
}
