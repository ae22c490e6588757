package org.penjing.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Replays the goldens: does this device compute what the machine computed that made the bundle? The rules are those of
 * {@code penjing verify}: fp32 within a tolerance, int8 the same decision.
 *
 * <p>Left out: quality, which needs labelled data.
 */
public final class SelfTest {
    /**
     * A replay of {@code n} goldens on a file. {@code flips} decisions differ or are no numbers; {@code
     * largestDifference} is that of a logit, or of a score relative to its scale; {@code tokenDifferences} texts have
     * other ids; {@code problem} says what is wrong, null when nothing is.
     */
    public record Row(
            String file, int n, int flips, double largestDifference, int tokenDifferences, String problem) {}

    private SelfTest() {}

    /** One row a model file of ONNX, the preferred first. A file that cannot be opened has a problem, no numbers. */
    public static List<Row> run(Bundle bundle, int threads, EngineFactory factory, Progress progress)
            throws PenjingException {
        List<String> files = new ArrayList<>();
        for (String file : bundle.modelFiles()) {
            if (bundle.manifest().files().get(file).format().equals("onnx")) {
                files.add(file);
            }
        }
        return run(bundle, files, threads, factory, progress);
    }

    /** As above, for the files that the factory's engines run. */
    public static List<Row> run(
            Bundle bundle, List<String> files, int threads, EngineFactory factory, Progress progress)
            throws PenjingException {
        List<Row> rows = new ArrayList<>();
        for (String file : files) {
            Replay replay = new Replay(file, step(progress, rows.size(), files.size()));
            try {
                replay.run(bundle, threads, factory);
                rows.add(replay.row(bundle.manifest().files().get(file).precision()));
            } catch (BundleException | EngineException error) {
                rows.add(new Row(file, 0, 0, Double.NaN, 0, error.getMessage()));
            }
        }
        return Collections.unmodifiableList(rows);
    }

    private static Replay.Step step(Progress progress, int done, int all) {
        return share -> {
            progress.at((done + share) / all);
            if (progress.cancelled()) {
                throw new StoppedException("the self-test was stopped");
            }
        };
    }
}
