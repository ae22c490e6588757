package org.penjing.demo;

/**
 * The last scores of a detector, and which of them raised an alarm: what the plot shows.
 *
 * <p>Left out: times: the samples lie on an even grid.
 */
final class ScoreHistory {
    private final float[] scores;
    private final boolean[] alarms;
    private int count;

    /** Keeps so many. */
    ScoreHistory(int room) {
        scores = new float[room];
        alarms = new boolean[room];
    }

    int room() {
        return scores.length;
    }

    /** NaN is a gap in the line. */
    void add(float score, boolean alarm) {
        scores[count % scores.length] = score;
        alarms[count % scores.length] = alarm;
        count++;
    }

    int size() {
        return Math.min(count, scores.length);
    }

    /** All that were ever added. */
    int seen() {
        return count;
    }

    /** The i-th of those kept, the oldest first. */
    float score(int i) {
        return scores[place(i)];
    }

    boolean alarm(int i) {
        return alarms[place(i)];
    }

    private int place(int i) {
        return (count - size() + i) % scores.length;
    }
}
