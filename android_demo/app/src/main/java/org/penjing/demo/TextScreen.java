package org.penjing.demo;

import android.os.Handler;
import android.os.Looper;
import android.text.Editable;
import android.text.InputFilter;
import android.text.Spanned;
import android.text.TextWatcher;
import android.view.View;
import android.view.ViewGroup;
import android.widget.EditText;
import android.widget.ProgressBar;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import org.penjing.core.Prediction;

/**
 * Labels, probabilities and milliseconds as you type: the model is asked when the fingers rest for a moment, on the
 * worker, and an answer that comes too late is dropped.
 *
 * <p>Left out: labels beyond the most probable few.
 */
final class TextScreen extends Screen {
    static final int LONGEST_TEXT = 10_000;
    static final int REST_MS = 120;
    private static final int LABELS_SHOWN = 6;

    private record Answer(Prediction prediction, double milliseconds) {}

    private final EditText input = find(R.id.input);
    private final ViewGroup rows = find(R.id.labels);
    private final Handler main = new Handler(Looper.getMainLooper());
    private final Runnable ask = this::ask;
    private volatile int latest;
    private Opened asked;
    private boolean cut;
    private String problem;
    private Answer answer;

    TextScreen(MainActivity activity) {
        super(activity, R.layout.text);
        input.setFilters(new InputFilter[] {new Limit()});
        input.addTextChangedListener(new TextWatcher() {
            @Override
            public void beforeTextChanged(CharSequence text, int start, int count, int after) {}

            @Override
            public void onTextChanged(CharSequence text, int start, int before, int count) {}

            @Override
            public void afterTextChanged(Editable text) {
                cut &= text.length() >= LONGEST_TEXT;
                main.removeCallbacks(ask);
                main.postDelayed(ask, REST_MS);
            }
        });
    }

    /** Pasting a book would make every rotation carry it along; the model reads a few sentences anyway. */
    private final class Limit extends InputFilter.LengthFilter {
        Limit() {
            super(LONGEST_TEXT);
        }

        @Override
        public CharSequence filter(CharSequence source, int start, int end, Spanned dest, int from, int to) {
            CharSequence kept = super.filter(source, start, end, dest, from, to);
            cut |= kept != null;
            return kept;
        }
    }

    private void ask() {
        int mine = ++latest;
        Opened opened = session.opened();
        String text = input.getText().toString();
        asked = opened;
        if (opened == null || opened.text == null || text.isEmpty()) {
            accept(null, null);
            return;
        }
        session.worker.run(() -> mine == latest && !opened.closed() ? answer(opened, text) : null, outcome -> {
            if (mine == latest) {
                accept(outcome.value(), outcome.problem());
            }
        });
    }

    private static Answer answer(Opened opened, String text) throws Exception {
        long start = System.nanoTime();
        Prediction prediction = opened.text.predict(text);
        return new Answer(prediction, (System.nanoTime() - start) / 1e6);
    }

    private void accept(Answer found, String line) {
        answer = found;
        problem = line;
        render();
    }

    @Override
    void render() {
        Opened opened = session.opened();
        if (asked != opened) {
            ask(); // another bundle has another answer to the same text
            return;
        }
        boolean usable = opened != null && opened.text != null;
        input.setEnabled(usable);
        say(find(R.id.text_problem), cut ? activity.getString(R.string.text_cut, LONGEST_TEXT) : problem);
        show(rows, answer != null);
        TextView headline = find(R.id.answer);
        if (answer != null) {
            showAnswer(headline);
        } else {
            set(headline, "–");
            set(find(R.id.answer_facts), activity.getString(waitingFor(opened)));
        }
    }

    private int waitingFor(Opened opened) {
        if (opened != null && opened.detector != null) {
            return R.string.not_for_text;
        }
        return opened == null || opened.text == null ? R.string.no_model : R.string.type_something;
    }

    private void showAnswer(TextView headline) {
        Prediction prediction = answer.prediction();
        set(headline, prediction.label());
        String facts = activity.getString(R.string.answer_facts, prediction.tokens(), answer.milliseconds());
        set(find(R.id.answer_facts),
                prediction.truncated() ? facts + " · " + activity.getString(R.string.truncated) : facts);
        List<Integer> order = mostProbable(prediction.probabilities());
        for (int i = 0; i < order.size(); i++) {
            if (i == rows.getChildCount()) {
                rows.addView(activity.getLayoutInflater().inflate(R.layout.label_row, rows, false));
            }
            showRow(rows.getChildAt(i), prediction, order.get(i));
        }
        for (int i = 0; i < rows.getChildCount(); i++) {
            show(rows.getChildAt(i), i < order.size());
        }
    }

    private void showRow(View row, Prediction prediction, int label) {
        String name = prediction.labels().get(label);
        double percent = 100.0 * prediction.probabilities()[label];
        String share = String.format(Locale.getDefault(), "%.1f %%", percent);
        set(row.findViewById(R.id.label), name);
        set(row.findViewById(R.id.share), share);
        ((ProgressBar) row.findViewById(R.id.bar)).setProgress((int) Math.round(10 * percent));
        row.setContentDescription(name + ", " + share);
    }

    private static List<Integer> mostProbable(float[] probabilities) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < probabilities.length; i++) {
            order.add(i);
        }
        Collections.sort(order, (a, b) -> Float.compare(probabilities[b], probabilities[a]));
        return order.subList(0, Math.min(LABELS_SHOWN, order.size()));
    }
}
