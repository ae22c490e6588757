package org.penjing.core;

import java.util.Arrays;

/**
 * Words and their numbers, as a tree of code points: one walk along a text finds the longest word that starts there.
 *
 * <p>The tree's edges lie in one open-addressing hash table; a node is a number. Left out: removing words, and
 * anything that makes a string of a part of a text.
 */
final class PieceTrie {
    static final int ROOT = 0;
    /** What {@link #longest} says when no word fits. */
    static final long NONE = -1;

    /** An edge's parent and code point, plus one, so that 0 is an empty place. */
    private long[] edges = new long[1 << 10];
    private int[] children = new int[1 << 10];
    /** For each node the number of the word that ends there, or -1. */
    private int[] values = {-1};
    private int nodes = 1;

    /** Makes room for about this many edges at once. */
    PieceTrie(int expected) {
        grow(Integer.highestOneBit(Math.max(expected, 16)) * 4);
    }

    /** Adds the part of `text` from `from` to before `to`. */
    void put(String text, int from, int to, int value) {
        int node = ROOT;
        for (int at = from; at < to; ) {
            int code = text.codePointAt(at);
            at += code > 0xFFFF ? 2 : 1;
            node = child(node, code);
        }
        values[node] = value;
    }

    /** The word's number, or -1. */
    int get(String word) {
        int node = find(word);
        return node < 0 ? -1 : values[node];
    }

    /** The node at which the words that begin with `prefix` hang, or -1. */
    int find(String prefix) {
        int node = ROOT;
        for (int at = 0; at < prefix.length() && node >= 0; ) {
            int code = prefix.codePointAt(at);
            at += code > 0xFFFF ? 2 : 1;
            node = step(node, code);
        }
        return node;
    }

    /** The longest word below `node` that `codes` spell from `from` on: its end << 32 | its number, or NONE. */
    long longest(int node, int[] codes, int from, int to) {
        long best = NONE;
        for (int at = from; at < to; ) {
            node = step(node, codes[at++]);
            if (node < 0) {
                break;
            }
            if (values[node] >= 0) {
                best = (long) at << 32 | values[node];
            }
        }
        return best;
    }

    private int step(int node, int code) {
        long edge = ((long) node << 21 | code) + 1;
        int slot = slot(edge);
        return edges[slot] == 0 ? -1 : children[slot];
    }

    private int child(int node, int code) {
        long edge = ((long) node << 21 | code) + 1;
        int slot = slot(edge);
        if (edges[slot] != 0) {
            return children[slot];
        }
        if (nodes == values.length) {
            values = Arrays.copyOf(values, 2 * nodes);
        }
        edges[slot] = edge;
        children[slot] = nodes;
        values[nodes] = -1;
        if (2 * ++nodes > edges.length) {
            grow(2 * edges.length);
        }
        return nodes - 1;
    }

    /** Where the edge lies, or the empty place where it would lie. */
    private int slot(long edge) {
        long mixed = edge * 0x9E3779B97F4A7C15L;
        int slot = (int) (mixed >>> 32) & edges.length - 1;
        while (edges[slot] != edge && edges[slot] != 0) {
            slot = slot + 1 & edges.length - 1;
        }
        return slot;
    }

    private void grow(int capacity) {
        long[] oldEdges = edges;
        int[] oldChildren = children;
        edges = new long[capacity];
        children = new int[capacity];
        for (int i = 0; i < oldEdges.length; i++) {
            if (oldEdges[i] != 0) {
                int slot = slot(oldEdges[i]);
                edges[slot] = oldEdges[i];
                children[slot] = oldChildren[i];
            }
        }
    }
}
