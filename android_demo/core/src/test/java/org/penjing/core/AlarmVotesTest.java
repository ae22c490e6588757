package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.json.JSONObject;
import org.junit.Test;

/**
 * The votes kept in a ring decide as a search through the whole series does.
 *
 * <p>Left out: thresholds.
 */
public final class AlarmVotesTest {
    @Test
    public void alarmsAreThoseOfTheWholeSeries() {
        Random random = new Random(3);
        for (int trial = 0; trial < 300; trial++) {
            int of = 1 + random.nextInt(6);
            AlarmPolicy policy = new AlarmPolicy(1 + random.nextInt(of), of, random.nextInt(8));
            boolean[] above = new boolean[60];
            for (int i = 0; i < above.length; i++) {
                above[i] = random.nextInt(3) == 0;
            }
            AlarmVotes votes = new AlarmVotes(policy);
            votes.take(true);
            votes.clear();
            List<Integer> found = new ArrayList<>();
            for (int i = 0; i < above.length; i++) {
                if (votes.take(above[i])) {
                    found.add(i);
                }
            }
            assertEquals(policy.toString(), search(policy, above), found);
        }
    }

    @Test
    public void aPolicyThatIsNoneIsRefused() {
        for (String plain : List.of("{}", "{'count': 2, 'of': 1, 'gap': 0}", "{'count': 1, 'of': 1, 'gap': -1}")) {
            assertThrows(BundleException.class, () -> AlarmPolicy.parse(new JSONObject(plain)));
        }
    }

    private static List<Integer> search(AlarmPolicy policy, boolean[] above) {
        List<Integer> alarms = new ArrayList<>();
        for (int i = 0; i < above.length; i++) {
            int count = 0;
            for (int k = Math.max(0, i - policy.of() + 1); k <= i; k++) {
                count += above[k] ? 1 : 0;
            }
            boolean far = alarms.isEmpty() || i - alarms.get(alarms.size() - 1) >= policy.gap();
            if (count >= policy.count() && far) {
                alarms.add(i);
            }
        }
        return alarms;
    }
}
