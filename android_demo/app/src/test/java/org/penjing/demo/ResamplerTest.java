package org.penjing.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.Test;

/** Samples at any rate become samples on an even grid, and a jump in time starts it anew. */
public final class ResamplerTest {
    private final List<Double> times = new ArrayList<>();
    private final List<Float> values = new ArrayList<>();
    private final List<Double> jumps = new ArrayList<>();
    private final Resampler.Sink sink = new Resampler.Sink() {
        @Override
        public void sample(float[] sample, double seconds) {
            times.add(seconds);
            values.add(sample[0]);
        }

        @Override
        public void jumped(double seconds) {
            jumps.add(seconds);
        }
    };

    @Test
    public void betweenTwoSamplesLiesAStraightLine() {
        Resampler resampler = new Resampler(0.25, 1, sink);
        resampler.offer(0, new float[] {10});
        resampler.offer(0.4, new float[] {14});
        resampler.offer(0.8, new float[] {18});
        assertEquals(List.of(0.0, 0.25, 0.5, 0.75), times);
        assertArrayEquals(new float[] {10, 12.5f, 15, 17.5f}, floats(), 1e-5f);
    }

    @Test
    public void theGridDoesNotDriftInAnHour() {
        Resampler resampler = new Resampler(0.02, 1, sink);
        for (int i = 0; i <= 360_000; i++) {
            resampler.offer(i * 0.01, new float[] {i});
        }
        assertEquals(3600.0, times.get(180_000), 1e-9);
        assertEquals(360_000, values.get(180_000), 0.1);
    }

    @Test
    public void aSlowSensorGivesSeveralPointsAtOnce() {
        Resampler resampler = new Resampler(0.02, 1, sink);
        resampler.offer(5, new float[] {0});
        resampler.offer(5.1, new float[] {1});
        assertEquals(5, times.size() - (times.get(times.size() - 1) > 5.099 ? 1 : 0));
    }

    @Test
    public void timeThatGoesBackOrLeapsIsAJump() {
        Resampler resampler = new Resampler(0.1, 1, sink);
        resampler.offer(100, new float[] {1});
        resampler.offer(99, new float[] {2});
        resampler.offer(99.6, new float[] {3});
        assertEquals(2, jumps.size());
        assertEquals(-1, jumps.get(0), 1e-9);
        assertEquals(0.6, jumps.get(1), 1e-9);
        assertEquals(List.of(100.0, 99.0, 99.6), times);
    }

    @Test
    public void twoSamplesOfOneTimeAreNoJump() {
        Resampler resampler = new Resampler(0.1, 1, sink);
        resampler.offer(1, new float[] {1});
        resampler.offer(1, new float[] {2});
        assertTrue(jumps.isEmpty());
    }

    @Test
    public void withoutAPeriodEverySamplePasses() {
        Resampler resampler = new Resampler(0, 1, sink);
        resampler.offer(1, new float[] {1});
        resampler.offer(1.003, new float[] {2});
        assertEquals(List.of(1.0, 1.003), times);
    }

    private float[] floats() {
        float[] array = new float[values.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = values.get(i);
        }
        return array;
    }
}
