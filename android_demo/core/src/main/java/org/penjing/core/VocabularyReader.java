package org.penjing.core;

/**
 * Reads the vocabulary out of a tokenizer.json, straight into the tree that looks words up.
 *
 * <p>A JSON library would make an object of each of 30,000 pieces, which takes longer than the first answer may; what
 * is left of the file is small, and a JSON library's.
 *
 * <p>Left out: everything in the file but the object at "vocab" in "model".
 */
final class VocabularyReader {
    private final String json;
    private final PieceTrie pieces;
    private int at;
    /** Whether the last string holds a backslash. */
    private boolean escaped;

    private VocabularyReader(String json, PieceTrie pieces) {
        this.json = json;
        this.pieces = pieces;
    }

    /** Puts the vocabulary into `pieces` and gives the rest of the file, where the vocabulary is empty. */
    static String read(String json, PieceTrie pieces) throws BundleException {
        VocabularyReader reader = new VocabularyReader(json, pieces);
        try {
            if (!reader.find()) {
                return json;
            }
            int from = reader.at;
            reader.entries();
            return json.substring(0, from) + json.substring(reader.at);
        } catch (IndexOutOfBoundsException | IllegalArgumentException error) {
            throw new BundleException("tokenizer.json: its vocabulary is broken at character " + reader.at
                    + ": copy the bundle again", error);
        }
    }

    /** Goes behind the brace that opens the vocabulary. */
    private boolean find() {
        String top = "";
        for (int depth = 0; at < json.length(); ) {
            char letter = json.charAt(at);
            if (letter != '"') {
                depth += letter == '{' || letter == '[' ? 1 : letter == '}' || letter == ']' ? -1 : 0;
                at++;
                continue;
            }
            int from = at + 1;
            int to = string();
            String key = depth <= 2 && peek(':') ? json.substring(from, to) : "";
            top = depth == 1 ? key : top;
            if (depth == 2 && key.equals("vocab") && top.equals("model")) {
                expect(':');
                if (peek('{')) {
                    expect('{');
                    return true;
                }
            }
        }
        return false;
    }

    /** The pieces and their ids, up to the closing brace. */
    private void entries() {
        while (!peek('}')) {
            if (!peek('"')) {
                expect(',');
                skipSpace();
            }
            int from = at + 1;
            int to = string();
            expect(':');
            skipSpace();
            int id = number();
            if (escaped) {
                String piece = unescaped(from, to);
                pieces.put(piece, 0, piece.length(), id);
            } else {
                pieces.put(json, from, to, id);
            }
        }
    }

    /** Where the string that begins here ends. */
    private int string() {
        expect('"');
        escaped = false;
        while (json.charAt(at) != '"') {
            escaped |= json.charAt(at) == '\\';
            at += json.charAt(at) == '\\' ? 2 : 1;
        }
        return at++;
    }

    private int number() {
        int from = at;
        while (json.charAt(at) >= '0' && json.charAt(at) <= '9') {
            at++;
        }
        return Integer.parseInt(json.substring(from, at));
    }

    private String unescaped(int from, int to) {
        StringBuilder text = new StringBuilder();
        for (int i = from; i < to; i++) {
            char letter = json.charAt(i);
            if (letter == '\\') {
                letter = json.charAt(++i);
                int known = "bfnrt".indexOf(letter);
                if (letter == 'u') {
                    letter = (char) Integer.parseInt(json.substring(i + 1, i + 5), 16);
                    i += 4;
                } else if (known >= 0) {
                    letter = "\b\f\n\r\t".charAt(known);
                }
            }
            text.append(letter);
        }
        return text.toString();
    }

    private void expect(char letter) {
        skipSpace();
        if (json.charAt(at) != letter) {
            throw new IllegalArgumentException("no " + letter);
        }
        at++;
    }

    private boolean peek(char letter) {
        skipSpace();
        return json.charAt(at) == letter;
    }

    private void skipSpace() {
        while (json.charAt(at) <= ' ') {
            at++;
        }
    }
}
