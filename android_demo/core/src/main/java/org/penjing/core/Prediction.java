package org.penjing.core;

import java.util.List;

/**
 * The answer to one text. {@code probabilities} sum to 1, in the labels' order; {@code best} is the place of
 * {@code label}. {@code truncated}: the text was longer than the model takes, so that its end had no say.
 *
 * <p>Left out: how sure a model may be of itself: a probability is what the softmax gives.
 */
public record Prediction(
        String label, int best, List<String> labels, float[] probabilities, float[] logits, int tokens,
        boolean truncated) {}
