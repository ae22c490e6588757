package org.penjing.core;

/**
 * A text as tokens.
 *
 * <p>Left out: attention masks (nothing is padded) and types (there is one text).
 *
 * @param ids with special tokens
 * @param starts where each token begins in the given text, in `char`s; 0 for special tokens
 * @param ends where it ends, exclusive; 0 for special tokens
 * @param truncated whether tokens were cut off at the end
 */
public record Encoding(int[] ids, int[] starts, int[] ends, boolean truncated) {}
