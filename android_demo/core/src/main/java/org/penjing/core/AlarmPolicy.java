package org.penjing.core;

import org.json.JSONException;
import org.json.JSONObject;

/**
 * An alarm needs at least {@code count} of the last {@code of} samples above the threshold, and the last alarm at least
 * {@code gap} samples ago.
 *
 * <p>Left out: what it remembers of a series ({@link AlarmVotes}), and alarms that end: an alarm is a moment.
 */
public record AlarmPolicy(int count, int of, int gap) {
    static AlarmPolicy parse(JSONObject raw) throws BundleException {
        try {
            AlarmPolicy policy = new AlarmPolicy(raw.getInt("count"), raw.getInt("of"), raw.getInt("gap"));
            if (policy.count < 1 || policy.count > policy.of || policy.gap < 0) {
                throw new BundleException("an alarm policy of " + policy.count + " of " + policy.of + " samples, gap "
                        + policy.gap + ", is none: give 1 <= count <= of and a gap of 0 or more");
            }
            return policy;
        } catch (JSONException error) {
            throw Json.misstated("the policy of the manifest", error);
        }
    }
}
