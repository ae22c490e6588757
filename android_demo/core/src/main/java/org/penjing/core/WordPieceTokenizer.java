package org.penjing.core;

/**
 * Texts to token ids, equal to Hugging Face's `tokenizers` in ids and offsets, from the bundle's tokenizer.json.
 *
 * <p>It may be shared between threads. Left out: pairs of texts, padding, and going back from ids to text.
 */
public final class WordPieceTokenizer {
    /** `char`s for each token of the limit that are tried first on a long text: English has about four. */
    private static final int FIRST_PREFIX = 16;

    private final TokenizerFile file;
    private final CharTable table;
    private final int maxLength;
    private final boolean cutsAtSpaces;

    private WordPieceTokenizer(TokenizerFile file, CharTable table, int maxLength) {
        this.file = file;
        this.table = table;
        this.maxLength = maxLength;
        this.cutsAtSpaces = file.raw().endAtSpaces() && file.cleaned().endAtSpaces();
    }

    /** Texts will be cut at `maxLength` tokens, special ones included. */
    public static WordPieceTokenizer parse(String tokenizerJson, int maxLength) throws BundleException {
        CharTable table = CharTable.load();
        TokenizerFile file = TokenizerFile.parse(tokenizerJson, table);
        int special = file.before().length + file.after().length;
        if (maxLength <= special) {
            throw new BundleException("max_length " + maxLength + " leaves no room for text: " + special
                    + " special tokens stand around it; export the bundle with a greater one");
        }
        return new WordPieceTokenizer(file, table, maxLength);
    }

    /** The text's tokens. Half a surrogate pair counts as U+FFFD. */
    public Encoding encode(String text) {
        int limit = maxLength - file.before().length - file.after().length;
        int prefix = FIRST_PREFIX * maxLength;
        while (cutsAtSpaces && prefix > 0 && prefix < text.length()) {
            // The first tokens of a megabyte are kept. Words end at a space, so the prefix has the same tokens as the
            // text; if it is cut itself, the rest can't matter.
            int end = Math.max(text.lastIndexOf(' ', prefix - 1), text.lastIndexOf('\n', prefix - 1));
            Spans tokens = tokens(text.substring(0, Math.max(end, 0)), limit);
            if (tokens.length > limit) {
                return encoding(tokens, limit);
            }
            prefix *= 4;
        }
        return encoding(tokens(text, limit), limit);
    }

    /** The tokens without special ones; no more words are looked up when there are more than `limit`. */
    private Spans tokens(String text, int limit) {
        Spans tokens = new Spans(Math.min(text.length(), limit) + 16);
        Spans letters = Spans.of(text);
        file.raw().split(letters, (id, from, to) -> {
            if (id >= 0) {
                tokens.add(id, letters.starts[from], letters.ends[to - 1]);
                return;
            }
            Spans clean = file.normalizer().normalize(letters, from, to);
            file.cleaned().split(clean, (cleanId, start, end) -> {
                if (cleanId >= 0) {
                    tokens.add(cleanId, clean.starts[start], clean.ends[end - 1]);
                } else {
                    words(clean, start, end, tokens, limit);
                }
            });
        });
        return tokens;
    }

    /** Words end at white space; a punctuation mark is a word of its own. */
    private void words(Spans text, int from, int to, Spans tokens, int limit) {
        for (int at = from; at < to && tokens.length <= limit; ) {
            int start = at;
            int kind = table.kind(text.values[at++]);
            if ((kind & CharTable.SPACE) != 0) {
                continue;
            }
            if ((kind & CharTable.PUNCTUATION) == 0) {
                while (at < to
                        && (table.kind(text.values[at]) & (CharTable.SPACE | CharTable.PUNCTUATION)) == 0) {
                    at++;
                }
            }
            word(text, start, at, tokens);
        }
    }

    /** The longest piece that fits, again and again; if once none fits, the word is unknown. */
    private void word(Spans text, int from, int to, Spans tokens) {
        int before = tokens.length;
        int node = PieceTrie.ROOT;
        boolean known = to - from <= file.longestWord();
        for (int at = from; known && at < to; node = file.inside()) {
            long found = node < 0 ? PieceTrie.NONE : file.pieces().longest(node, text.values, at, to);
            known = found != PieceTrie.NONE;
            if (known) {
                int end = (int) (found >>> 32);
                tokens.add((int) found, text.starts[at], text.ends[end - 1]);
                at = end;
            }
        }
        if (!known) {
            tokens.length = before;
            tokens.add(file.unknown(), text.starts[from], text.ends[to - 1]);
        }
    }

    private Encoding encoding(Spans tokens, int limit) {
        int before = file.before().length;
        int kept = Math.min(tokens.length, limit);
        int count = before + kept + file.after().length;
        int[] ids = new int[count];
        int[] starts = new int[count];
        int[] ends = new int[count];
        System.arraycopy(file.before(), 0, ids, 0, before);
        System.arraycopy(tokens.values, 0, ids, before, kept);
        System.arraycopy(file.after(), 0, ids, before + kept, file.after().length);
        System.arraycopy(tokens.starts, 0, starts, before, kept);
        System.arraycopy(tokens.ends, 0, ends, before, kept);
        return new Encoding(ids, starts, ends, tokens.length > limit);
    }
}
