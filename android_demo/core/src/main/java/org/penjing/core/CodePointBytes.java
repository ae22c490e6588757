package org.penjing.core;

import java.util.Arrays;

/**
 * One byte for each Unicode code point, in pages; those that hold only zeros are one page.
 *
 * <p>Left out: anything larger than a byte.
 */
final class CodePointBytes {
    private static final int PAGE = 256;
    private static final byte[] ZEROS = new byte[PAGE];

    private final byte[][] pages = new byte[(Character.MAX_CODE_POINT + 1) / PAGE][];

    CodePointBytes() {
        Arrays.fill(pages, ZEROS);
    }

    int get(int code) {
        return pages[code / PAGE][code % PAGE] & 0xFF;
    }

    /** Sets these bits for the code points from `from` to before `to`. */
    void add(int from, int to, int bits) {
        for (int code = from; code < to; code++) {
            if (pages[code / PAGE] == ZEROS) {
                pages[code / PAGE] = new byte[PAGE];
            }
            pages[code / PAGE][code % PAGE] |= (byte) bits;
        }
    }
}
