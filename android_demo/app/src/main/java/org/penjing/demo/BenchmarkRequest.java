package org.penjing.demo;

import android.content.Intent;
import java.util.Locale;
import org.penjing.core.BenchmarkPlan;
import org.penjing.core.BenchmarkPlan.Mode;
import org.penjing.core.Bundle;
import org.penjing.core.InputException;
import org.penjing.core.PenjingException;

/**
 * What an intent asks to be measured, checked: anybody may send one.
 *
 * <p>Left out: paths: a bundle is one of those the app lists, by its name.
 */
final class BenchmarkRequest {
    private static final int MOST_ROUNDS = 1000;
    private static final int MOST_SECONDS = 3600;

    private final Intent intent;

    BenchmarkRequest(Intent intent) {
        this.intent = intent;
    }

    /** Of the file to write. */
    String out() throws InputException {
        String name = intent.getStringExtra("out");
        ResultFiles.check(name);
        return name;
    }

    Bundle bundle(BundleShelf shelf) throws PenjingException {
        String name = intent.getStringExtra("bundle");
        StringBuilder there = new StringBuilder();
        for (BundleShelf.Shelved each : shelf.read()) {
            if (each.name().equals(name)) {
                return Bundle.open(each.source());
            }
            there.append(there.length() == 0 ? "" : ", ").append(each.name());
        }
        throw new InputException("there is no bundle '" + name + "' on this device, there are: "
                + (there.length() == 0 ? "none" : there));
    }

    BenchmarkPlan plan(Bundle bundle) throws InputException {
        int length = SpeedPlans.length(bundle.manifest());
        BenchmarkPlan plan = new BenchmarkPlan(
                mode(), number("rounds", SpeedPlans.ROUNDS, MOST_ROUNDS),
                number("repeats", SpeedPlans.REPEATS, MOST_ROUNDS),
                number("threads", 1, Runtime.getRuntime().availableProcessors()),
                length == 0 ? 0 : number("length", length, bundle.manifest().maxLength()),
                number("seconds", SpeedPlans.SECONDS, MOST_SECONDS), SpeedPlans.SEED);
        plan.check();
        return plan;
    }

    private Mode mode() throws InputException {
        String word = intent.getStringExtra("mode");
        try {
            return word == null ? Mode.BURST : Mode.valueOf(word.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException error) {
            throw new InputException("mode is '" + word + "': give burst, paced or sustained", error);
        }
    }

    private int number(String name, int usual, int most) throws InputException {
        int value = intent.getIntExtra(name, usual);
        if (value < 1 || value > most) {
            throw new InputException(name + " is " + value + ": give 1 to " + most);
        }
        return value;
    }
}
