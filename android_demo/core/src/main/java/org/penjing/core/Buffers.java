package org.penjing.core;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Direct buffers, and moves within buffers through their base class: Java 9 gave each class moves of its own, which
 * API 24 lacks.
 *
 * <p>Left out: reading and writing.
 */
final class Buffers {
    private Buffers() {}

    /** Zeros where an engine can read and write, in the processor's byte order. */
    static ByteBuffer direct(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    static void clear(Buffer buffer) {
        buffer.clear();
    }

    static void flip(Buffer buffer) {
        buffer.flip();
    }

    static void limit(Buffer buffer, int limit) {
        buffer.limit(limit);
    }
}
