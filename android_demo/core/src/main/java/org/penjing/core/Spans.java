package org.penjing.core;

import java.util.Arrays;

/**
 * A growing list of numbers (code points, or ids of tokens), each with the part of the user's text it comes from.
 *
 * <p>Left out: hiding its arrays. The tokenizer's loops read them.
 */
final class Spans {
    int[] values;
    int[] starts;
    int[] ends;
    int length;

    Spans(int capacity) {
        values = new int[capacity];
        starts = new int[capacity];
        ends = new int[capacity];
    }

    /** The text's code points; half a surrogate pair counts as U+FFFD. */
    static Spans of(String text) {
        Spans spans = new Spans(text.length());
        for (int at = 0; at < text.length(); ) {
            int code = text.codePointAt(at);
            int next = at + (code > 0xFFFF ? 2 : 1);
            boolean half = code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE;
            spans.add(half ? 0xFFFD : code, at, next);
            at = next;
        }
        return spans;
    }

    void add(int value, int start, int end) {
        if (length == values.length) {
            int capacity = 2 * length + 16;
            values = Arrays.copyOf(values, capacity);
            starts = Arrays.copyOf(starts, capacity);
            ends = Arrays.copyOf(ends, capacity);
        }
        values[length] = value;
        starts[length] = start;
        ends[length++] = end;
    }
}
