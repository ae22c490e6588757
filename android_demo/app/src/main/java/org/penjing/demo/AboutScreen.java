package org.penjing.demo;

import android.text.SpannableStringBuilder;
import android.text.Spanned;
import android.text.style.RelativeSizeSpan;
import android.text.style.TypefaceSpan;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.TextView;
import java.util.List;
import java.util.Map;
import org.penjing.core.Bundle;
import org.penjing.core.BundleFile;
import org.penjing.core.SelfTest;

/**
 * The bundle's model card, its files with their hashes, and whether this device computes what the desk computed.
 *
 * <p>Left out: checking the hashes here: every file is checked whenever it is read.
 */
final class AboutScreen extends Screen {
    private final Button start = find(R.id.self_test);
    private final ProgressBar progress = find(R.id.self_test_progress);
    private final TextView card = find(R.id.card);
    private Opened shown;

    AboutScreen(MainActivity activity) {
        super(activity, R.layout.about);
        start.setOnClickListener(button -> {
            if (running()) {
                session.selfTest().cancel();
            } else {
                session.testItself();
            }
        });
        ((TextView) find(R.id.app)).setText(activity.getString(R.string.app_facts, Phone.model(), Phone.system()));
    }

    private boolean running() {
        return session.selfTest() != null && session.selfTest().running();
    }

    @Override
    void render() {
        Opened opened = session.opened();
        start.setEnabled(opened != null);
        start.setText(running() ? R.string.stop : R.string.run_self_test);
        show(progress, running());
        progress.setProgress(running() ? (int) (1000 * session.selfTest().share()) : 0);
        set(find(R.id.self_test_result), result(session.selfTest()));
        if (opened != shown || opened == null) {
            shown = opened;
            renderBundle(opened);
        }
    }

    private void renderBundle(Opened opened) {
        card.setText(R.string.no_model);
        ((TextView) find(R.id.files)).setText(opened == null ? "" : files(opened.bundle));
        if (opened != null) {
            card.setText("");
            session.worker.run(() -> opened.bundle.verifiedText("README.md"), outcome -> {
                if (opened == shown) {
                    card.setText(outcome.value() == null ? outcome.problem() : CardText.of(outcome.value()));
                }
            });
        }
    }

    private CharSequence result(Task<List<SelfTest.Row>> task) {
        if (task == null) {
            return activity.getString(R.string.self_test_what);
        }
        if (task.running()) {
            return activity.getString(R.string.self_test_runs);
        }
        if (task.result() == null) {
            return task.problem() == null ? activity.getString(R.string.stopped) : task.problem();
        }
        StringBuilder lines = new StringBuilder();
        for (SelfTest.Row row : task.result()) {
            lines.append(lines.length() == 0 ? "" : "\n").append(line(row));
        }
        return lines;
    }

    private String line(SelfTest.Row row) {
        return row.problem() == null
                ? activity.getString(R.string.self_test_fine, row.file(), row.n(), row.largestDifference())
                : activity.getString(R.string.self_test_wrong, row.file(), row.problem());
    }

    private static CharSequence files(Bundle bundle) {
        SpannableStringBuilder text = new SpannableStringBuilder();
        for (Map.Entry<String, BundleFile> file : bundle.manifest().files().entrySet()) {
            text.append(text.length() == 0 ? "" : "\n\n").append(file.getKey()).append(" · ")
                    .append(String.format(java.util.Locale.getDefault(), "%,d", file.getValue().bytes()))
                    .append(" B\n");
            int from = text.length();
            text.append(file.getValue().sha256());
            text.setSpan(new TypefaceSpan("monospace"), from, text.length(), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
            text.setSpan(new RelativeSizeSpan(0.8f), from, text.length(), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
        }
        return text;
    }
}
