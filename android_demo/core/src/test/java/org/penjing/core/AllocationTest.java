package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.Test;

/**
 * A push into a stream allocates nothing of its own, and with ONNX Runtime only what its Java code takes.
 *
 * <p>Left out: memory outside Java's heap.
 */
public final class AllocationTest {
    static final int PUSHES = 10_000;
    private static final int TRIES = 5;
    /** What one call of ONNX Runtime 1.29 takes in Java, handles, names and the result; none of it is kept. */
    private static final long ENGINE_BYTES = 1_024;

    @Test
    public void aPushAllocatesNothing() throws Exception {
        Given.Broken engine = new Given.Broken(4 * 12);
        try (Detector detector = Detector.open(Given.bundle("bearings"), null, 1, (m, f, n, t) -> engine)) {
            assertEquals(0, bytesOf(detector));
        }
    }

    @Test
    public void aPushIntoTheRealEngineAllocatesLittle() throws Exception {
        try (Detector detector = Detector.open(Given.bundle("bearings"), null, 1, OnnxEngine::open)) {
            double bytes = (double) bytesOf(detector) / PUSHES;
            System.out.println("bytes a push with ONNX Runtime: " + bytes);
            assertTrue("bytes a push: " + bytes, bytes <= ENGINE_BYTES);
        }
    }

    /** Of {@link #PUSHES} pushes, missing values and alarms among them: the least of some tries, as counting costs. */
    static long bytesOf(Detector detector) throws PenjingException {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        DetectorStream stream = detector.stream();
        float[] sample = detector.format().typical().clone();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < TRIES; i++) {
            long before = threads.getThreadAllocatedBytes(id);
            push(stream, sample, i * PUSHES);
            least = Math.min(least, threads.getThreadAllocatedBytes(id) - before);
        }
        return least;
    }

    private static void push(DetectorStream stream, float[] sample, int first) throws PenjingException {
        float usual = sample[0];
        for (int i = 0; i < PUSHES; i++) {
            sample[0] = i % 10 == 0 ? Float.NaN : i % 100 < 5 ? 1e6f : usual;
            stream.push(sample, first + i);
        }
        sample[0] = usual;
    }
}
