package org.penjing.core;

import java.util.List;

/**
 * Texts for errors.
 *
 * <p>Left out: {@code String.join}, which API 24 lacks.
 */
final class Words {
    private Words() {}

    static String join(List<String> parts, String between) {
        StringBuilder text = new StringBuilder();
        for (String part : parts) {
            text.append(text.length() == 0 ? "" : between).append(part);
        }
        return text.toString();
    }

    /** An error's message on one line, cut at 300 characters: an engine's can be pages long. */
    static String oneLine(Throwable error) {
        String message = String.valueOf(error.getMessage()).trim().replaceAll("\\s+", " ");
        return message.substring(0, Math.min(300, message.length()));
    }
}
