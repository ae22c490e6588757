package org.penjing.core;

import java.util.Arrays;

/**
 * Cleans text as Hugging Face's BertNormalizer does: control characters, spaces, Chinese, accents, capitals.
 *
 * <p>The text stays a list of code points, each with the place it comes from. Marks that change their order when
 * accents are split off (canonical ordering) share out their places as the library does it.
 *
 * <p>Left out: composed forms (NFC, NFKC) and other normalizers.
 */
final class BertNormalizer {
    private final CharTable table;
    private final boolean clean;
    private final boolean chinese;
    private final boolean strip;
    private final boolean lower;

    BertNormalizer(CharTable table, boolean clean, boolean chinese, boolean strip, boolean lower) {
        this.table = table;
        this.clean = clean;
        this.chinese = chinese;
        this.strip = strip;
        this.lower = lower;
    }

    /** The code points from `from` to before `to` of `text`, normalized on their own. */
    Spans normalize(Spans text, int from, int to) {
        Spans result = new Spans(to - from + 16);
        Pass pass = new Pass(result);
        for (int i = from; i < to; i++) {
            pass.take(text.values[i], text.starts[i], text.ends[i]);
        }
        pass.settle();
        return result;
    }

    /** One text on its way. */
    private final class Pass {
        private final Spans result;
        /** The marks since the last base, each as class, whether it begins its source, and code point. */
        private int[] marks = new int[8];
        private int count;
        /** The places of the marks' sources, a start and an end each. */
        private int[] places = new int[2 * marks.length];
        private int placed;
        private int usedStart;
        private int usedEnd;

        Pass(Spans result) {
            this.result = result;
        }

        void take(int code, int start, int end) {
            int kind = table.kind(code);
            if (clean && (kind & CharTable.DROPPED) != 0) {
                return;
            }
            if (chinese && (kind & CharTable.CHINESE) != 0) {
                decompose(' ', 0, start, end);
                decompose(code, kind, start, end);
                decompose(' ', 0, start, end);
            } else if (clean && (kind & CharTable.SPACE) != 0) {
                decompose(' ', 0, start, end);
            } else {
                decompose(code, kind, start, end);
            }
        }

        private void decompose(int code, int kind, int start, int end) {
            if (!strip) {
                emit(code, start, end);
            } else if ((kind & CharTable.DECOMPOSES) == 0) {
                arrange(code, true, start, end);
            } else {
                int[] parts = table.decomposition(code);
                for (int i = 0; i < parts.length; i++) {
                    arrange(parts[i], i == 0, start, end);
                }
            }
        }

        /** A base ends the marks before it; a mark waits for its neighbours. */
        private void arrange(int code, boolean first, int start, int end) {
            int combining = table.combiningClass(code);
            if (combining == 0) {
                settle();
                emit(code, start, end);
                usedStart = start;
                usedEnd = end;
                return;
            }
            if (count == marks.length) {
                marks = Arrays.copyOf(marks, 2 * count);
                places = Arrays.copyOf(places, 4 * count);
            }
            marks[count++] = combining << 22 | (first ? 1 << 21 : 0) | code;
            if (first) {
                places[placed++] = start;
                places[placed++] = end;
            }
        }

        /** Writes the waiting marks in order. The library deals the sources' places out by position, not by mark. */
        void settle() {
            if (count == 0) {
                return;
            }
            sort();
            for (int i = 0, place = 0; i < count; i++) {
                if ((marks[i] & 1 << 21) != 0) {
                    usedStart = places[place++];
                    usedEnd = places[place++];
                }
                emit(marks[i] & 0x1FFFFF, usedStart, usedEnd);
            }
            count = 0;
            placed = 0;
        }

        /** By class, stable, in linear time: a text may be a megabyte of marks. */
        private void sort() {
            int[] next = new int[257];
            boolean sorted = true;
            for (int i = 0; i < count; i++) {
                next[(marks[i] >>> 22) + 1]++;
                sorted &= i == 0 || marks[i - 1] >>> 22 <= marks[i] >>> 22;
            }
            if (sorted) {
                return;
            }
            for (int i = 1; i < next.length; i++) {
                next[i] += next[i - 1];
            }
            int[] ordered = new int[marks.length];
            for (int i = 0; i < count; i++) {
                ordered[next[marks[i] >>> 22]++] = marks[i];
            }
            marks = ordered;
        }

        private void emit(int code, int start, int end) {
            int kind = table.kind(code);
            if (strip && (kind & CharTable.MARK) != 0) {
                return;
            }
            if (!lower || (kind & CharTable.UPPER) == 0) {
                result.add(code, start, end);
            } else if (code < 128) {
                result.add(code + ('a' - 'A'), start, end);
            } else {
                for (int small : table.lowercase(code)) {
                    result.add(small, start, end);
                }
            }
        }
    }
}
