package org.penjing.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Times calls side by side in short blocks, in a random order each round, so that what slows the device for a while
 * slows all of them alike. As {@code penjing.benchmarks.interleave}.
 *
 * <p>Left out: what the calls do, and the warm-up ({@link WarmUp}).
 */
final class TimingLoop {
    private static final long PACE_MS = 1000;
    private static final double ROUND_SECONDS = 1.0;
    /** Seconds since 1970, from a clock that is never set back while the app runs. */
    private static final double EPOCH = System.currentTimeMillis() / 1e3 - System.nanoTime() / 1e9;

    /** A question, by its number. */
    interface Call {
        void ask(int i) throws PenjingException;
    }

    private final List<Call> calls;
    private final BenchmarkPlan plan;
    private final int rounds;
    private final int repeats;
    private final Random random;
    private final Benchmark.Stage stage;
    private final boolean paced;
    private final boolean sustained;

    TimingLoop(List<Call> calls, BenchmarkPlan plan, int rounds, int repeats, Random random, Benchmark.Stage stage) {
        this.calls = calls;
        this.plan = plan;
        this.rounds = rounds;
        this.repeats = repeats;
        this.random = random;
        this.stage = stage;
        paced = plan.mode() == BenchmarkPlan.Mode.PACED;
        sustained = plan.mode() == BenchmarkPlan.Mode.SUSTAINED;
    }

    static double now() {
        return EPOCH + System.nanoTime() / 1e9;
    }

    /** Times call i into measurement i. */
    void run(List<Measurement> into) throws PenjingException {
        stage.at(0);
        for (int c = 0; c < calls.size(); c++) {
            into.get(c).warmedUp(WarmUp.until(calls.get(c)));
        }
        double began = now();
        List<Integer> order = new ArrayList<>();
        for (int c = 0; c < calls.size(); c++) {
            order.add(c);
        }
        double done = 0;
        for (int round = 0; round == 0 || done < 1; round++) {
            Collections.shuffle(order, random);
            for (int c : order) {
                into.get(c).round(now());
                block(calls.get(c), round * repeats, into.get(c), done);
            }
            done = sustained ? (now() - began) / plan.seconds() : (round + 1.0) / rounds;
            stage.at(done);
        }
    }

    private void block(Call call, int first, Measurement into, double done) throws PenjingException {
        double began = now();
        if (!paced) {
            call.ask(first);  // untimed: the others have pushed this one's weights out of the caches
        }
        for (int k = 0; k < repeats; k++) {
            if (paced) {
                stage.at(done);
                rest();
            }
            long start = System.nanoTime();
            call.ask(first + k);
            into.sample((System.nanoTime() - start) / 1e6);
        }
        while (sustained && now() - began < ROUND_SECONDS / calls.size()) {
            call.ask(first);  // keeps the processor as warm as a device under load
        }
    }

    private static void rest() throws StoppedException {
        try {
            Thread.sleep(PACE_MS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new StoppedException("the benchmark was stopped: nothing was kept", error);
        }
    }
}
