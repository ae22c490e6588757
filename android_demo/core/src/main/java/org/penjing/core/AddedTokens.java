package org.penjing.core;

import java.util.ArrayList;
import java.util.List;

/**
 * Tokens that are looked for in the text before words are, such as [MASK]: leftmost first, the longest of those.
 *
 * <p>Left out: adding one after the tokenizer was read.
 */
final class AddedTokens {
    private final CharTable table;
    private final PieceTrie trie = new PieceTrie(64);
    private final List<Added> tokens = new ArrayList<>();
    private boolean endAtSpaces = true;

    /** `word`: it may not touch a letter; `left` and `right`: it takes the white space on that side. */
    private record Added(int id, boolean word, boolean left, boolean right) {}

    /** Is given the parts of a text in order; `id` is -1 for what no token is. */
    interface Parts {
        void take(int id, int from, int to);
    }

    AddedTokens(CharTable table) {
        this.table = table;
    }

    void add(String content, int id, boolean word, boolean left, boolean right) {
        if (!content.isEmpty()) {
            trie.put(content, 0, content.length(), tokens.size());
            tokens.add(new Added(id, word, left, right));
            Spans letters = Spans.of(content);
            endAtSpaces &= !left && !right;
            for (int i = 0; i < letters.length; i++) {
                endAtSpaces &= !is(letters, i, CharTable.SPACE);
            }
        }
    }

    /** Whether no token reaches over white space, so that a text may be cut there. */
    boolean endAtSpaces() {
        return endAtSpaces;
    }

    void split(Spans text, Parts parts) {
        int done = 0;
        for (int at = 0; at < text.length && !tokens.isEmpty(); ) {
            long found = trie.longest(PieceTrie.ROOT, text.values, at, text.length);
            if (found == PieceTrie.NONE) {
                at++;
                continue;
            }
            Added token = tokens.get((int) found);
            int start = at;
            at = (int) (found >>> 32);
            if (token.word && (is(text, start - 1, CharTable.WORD) || is(text, at, CharTable.WORD))) {
                continue;
            }
            int end = at;
            while (token.left && start > done && is(text, start - 1, CharTable.SPACE)) {
                start--;
            }
            while (token.right && is(text, end, CharTable.SPACE)) {
                end++;
            }
            if (done < start) {
                parts.take(-1, done, start);
            }
            parts.take(token.id, start, end);
            done = end;
        }
        if (done < text.length) {
            parts.take(-1, done, text.length);
        }
    }

    private boolean is(Spans text, int at, int bit) {
        return at >= 0 && at < text.length && (table.kind(text.values[at]) & bit) != 0;
    }
}
