package org.penjing.demo;

import android.graphics.Typeface;
import android.text.SpannableStringBuilder;
import android.text.Spanned;
import android.text.style.RelativeSizeSpan;
import android.text.style.StyleSpan;
import android.text.style.TypefaceSpan;

/**
 * A model card's Markdown as text with styles: headings, paragraphs, tables (a row a line), code.
 *
 * <p>Left out: links, pictures, lists inside lists, and the rest of Markdown, which no card of Penjing uses.
 */
final class CardText {
    private static final float HEADING = 1.25f;

    private final SpannableStringBuilder out = new SpannableStringBuilder();
    private boolean code;
    private boolean paragraph;
    private boolean table;

    private CardText() {}

    static CharSequence of(String markdown) {
        CardText card = new CardText();
        for (String line : markdown.split("\n")) {
            card.take(line);
        }
        return card.out;
    }

    private void take(String line) {
        String text = line.trim();
        boolean row = text.startsWith("|");
        if (text.startsWith("```")) {
            code = !code;
            paragraph = false;
        } else if (code) {
            start(out.length() > 0 && !paragraph);
            styled(line, new TypefaceSpan("monospace"), new RelativeSizeSpan(0.8f));
            paragraph = true;
        } else if (text.isEmpty()) {
            paragraph = false;
        } else if (text.startsWith("#")) {
            start(out.length() > 0);
            styled(text.replaceFirst("#+ *", ""), new StyleSpan(Typeface.BOLD), new RelativeSizeSpan(HEADING));
        } else if (row) {
            row(text);
        } else {
            plain(text);
        }
        table = row;
    }

    private void row(String text) {
        if (text.replaceAll("[|:\\-\\s]", "").isEmpty()) {
            return; // the rule below a table's head
        }
        start(!table);
        String cells = text.replaceAll("^\\|\\s*|\\s*\\|$", "").replaceAll("\\s*\\|\\s*", " · ");
        if (table) {
            styled("• " + cells, new RelativeSizeSpan(0.9f));
        } else {
            styled(cells, new StyleSpan(Typeface.BOLD), new RelativeSizeSpan(0.9f));
        }
        paragraph = false;
    }

    /** Lines that follow each other are one paragraph. */
    private void plain(String text) {
        if (paragraph) {
            out.append(' ');
        } else {
            start(out.length() > 0);
        }
        String[] parts = text.replace("**", "").split("`", -1);
        for (int i = 0; i < parts.length; i++) {
            if (i % 2 == 1) {
                styled(parts[i], new TypefaceSpan("monospace"), new RelativeSizeSpan(0.9f));
            } else {
                out.append(parts[i]);
            }
        }
        paragraph = true;
    }

    private void start(boolean space) {
        if (out.length() > 0) {
            out.append(space ? "\n\n" : "\n");
        }
        paragraph = false;
    }

    private void styled(String text, Object... spans) {
        int from = out.length();
        out.append(text);
        for (Object span : spans) {
            out.setSpan(span, from, out.length(), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE);
        }
    }
}
