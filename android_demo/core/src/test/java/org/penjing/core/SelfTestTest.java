package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.DoubleStream;
import org.junit.Test;

/**
 * The self-test finds what differs: decisions, numbers, token ids, files.
 *
 * <p>Left out: bundles that are right (ParityTest).
 */
public final class SelfTestTest {
    private static List<SelfTest.Row> spoiled(String name, String old, String changed) throws Exception {
        Given.Copy copy = Given.Copy.of(name);
        String before = copy.text("goldens.jsonl");
        assertTrue(old + " is in the goldens", before.contains(old));
        String hash = Contents.sha256(ByteBuffer.wrap(copy.files.get("goldens.jsonl")));
        copy.put("goldens.jsonl", before.replaceFirst(Pattern.quote(old), changed));
        byte[] after = copy.files.get("goldens.jsonl");
        copy.manifest(hash, Contents.sha256(ByteBuffer.wrap(after)));
        copy.manifest("\"bytes\": " + before.getBytes("UTF-8").length, "\"bytes\": " + after.length);
        return SelfTest.run(Bundle.open(copy), 1, OnnxEngine::open, Progress.none());
    }

    private static void assertSaid(String words, List<SelfTest.Row> rows) {
        assertTrue(rows.toString(), rows.get(0).problem().contains(words));
    }

    @Test
    public void otherTokenIdsAreFound() throws Exception {
        int texts = Goldens.texts(Given.bundle("assistant")).size();
        SelfTest.Row row = spoiled("assistant", "\"input_ids\": [", "\"input_ids\": [7, ").get(0);
        assertEquals(1, row.tokenDifferences());
        assertTrue(row.problem(), row.problem().contains("1 of " + texts + " texts have other token ids"));
    }

    @Test
    public void anotherDecisionIsFound() throws Exception {
        List<Goldens.OfText> goldens = Goldens.texts(Given.bundle("assistant"));
        double decisive = DoubleStream.of(goldens.get(0).logits().get("model.int8.onnx")).max().getAsDouble();
        List<SelfTest.Row> rows = spoiled("assistant", String.valueOf(decisive), "-99");
        assertEquals(1, rows.get(0).flips());
        String problem = rows.get(0).problem();
        assertTrue(problem, problem.contains("model.int8.onnx decides 1 of " + goldens.size() + " differently"));
        assertNull(rows.get(1).problem());
    }

    @Test
    public void anotherScoreIsFoundInFp32Alone() throws Exception {
        List<SelfTest.Row> rows = withScore("model.int8.onnx", 0.2);
        assertNull(rows.get(0).problem());
        assertTrue(rows.get(0).largestDifference() > 1e-3);
        rows = withScore("model.onnx", 1.2);
        assertTrue(rows.get(1).problem(), rows.get(1).problem().startsWith("model.onnx is off by "));
    }

    /** After a file's score of the first golden was raised. */
    private static List<SelfTest.Row> withScore(String file, double more) throws Exception {
        double score = Goldens.samples(Given.bundle("bearings")).get(0).scores().get(file);
        String said = "\"" + file + "\": ";
        return spoiled("bearings", said + score, said + (score + more));
    }

    @Test
    public void goldensThatSayNothingOrAreNoneAreSaid() throws Exception {
        assertSaid("says nothing about", spoiled("nab", "\"model.onnx\"", "\"other.onnx\""));
        assertSaid("goldens.jsonl, line 1, is not", spoiled("nab", "{\"alarm\"", "\"alarm\""));
        assertSaid("line 1, lacks or misstates", spoiled("nab", "\"samples\"", "\"sample\""));
        assertSaid("of another shape", spoiled("nab", "\"samples\": [", "\"samples\": [[1], "));
    }

    @Test
    public void aDamagedFileHasAProblemAndTheOthersAreTested() throws Exception {
        Given.Copy copy = Given.Copy.of("bearings");
        copy.files.get("model.int8.onnx")[700] ^= 4;
        List<SelfTest.Row> rows = SelfTest.run(Bundle.open(copy), 1, OnnxEngine::open, Progress.none());
        assertTrue(rows.get(0).problem(), rows.get(0).problem().contains("its hash differs"));
        assertNull(rows.get(1).problem());
    }

    @Test
    public void itCanBeStopped() throws Exception {
        Bundle bundle = Given.bundle("nab");
        Progress stopped = new Progress() {
            @Override
            public void at(double share) {}

            @Override
            public boolean cancelled() {
                return true;
            }
        };
        assertThrows(StoppedException.class, () -> SelfTest.run(bundle, 1, OnnxEngine::open, stopped));
    }
}
