package org.penjing.core;

import java.util.Arrays;

/**
 * What an alarm policy remembers of a series: the last votes in a ring, and how long ago the last alarm was.
 *
 * <p>Left out: the threshold, which makes a vote of a score.
 */
final class AlarmVotes {
    private static final long NEVER = -1;

    private final AlarmPolicy policy;
    private final boolean[] recent;
    private int next;
    private int above;
    private long since = NEVER;

    AlarmVotes(AlarmPolicy policy) {
        this.policy = policy;
        recent = new boolean[policy.of()];
    }

    /** Takes the vote of the next sample; whether it makes an alarm. */
    boolean take(boolean vote) {
        above += (vote ? 1 : 0) - (recent[next] ? 1 : 0);
        recent[next] = vote;
        next = (next + 1) % recent.length;
        boolean alarm = above >= policy.count() && (since == NEVER || since >= policy.gap());
        if (alarm) {
            since = 1;
        } else if (since != NEVER) {
            since++;
        }
        return alarm;
    }

    /** As at the beginning of a series. */
    void clear() {
        Arrays.fill(recent, false);
        above = 0;
        since = NEVER;
    }
}
