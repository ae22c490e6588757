package org.penjing.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.List;
import org.junit.AfterClass;
import org.junit.BeforeClass;
import org.junit.Test;

/**
 * A text bundle answers any text with a label or refuses it with a sentence.
 *
 * <p>Left out: whether the answers are Python's (ParityTest).
 */
public final class TextClassifierTest {
    private static TextClassifier classifier;

    @BeforeClass
    public static void open() throws Exception {
        classifier = TextClassifier.open(Given.bundle("assistant"), null, 1, OnnxEngine::open);
    }

    @AfterClass
    public static void close() {
        if (classifier != null) {
            classifier.close();
        }
    }

    @Test
    public void aTextGetsALabelAndProbabilitiesThatSumToOne() throws Exception {
        Prediction answer = classifier.predict("wake me at six");
        assertEquals("alarm_set", answer.label());
        assertEquals("alarm_set", answer.labels().get(answer.best()));
        assertEquals("model.int8.onnx", classifier.file());
        float sum = 0;
        for (float probability : answer.probabilities()) {
            sum += probability;
        }
        assertEquals(1, sum, 1e-5);
        assertEquals(6, answer.tokens());
    }

    @Test
    public void emptyTextAndOnlySpacesAreRefused() {
        for (String text : List.of("", " ", "\t\n", "\u00a0\u2003\u3000", "\u0085\u2028")) {
            InputException error = assertThrows(InputException.class, () -> classifier.predict(text));
            assertEquals("the text is empty: give at least one word", error.getMessage());
        }
    }

    @Test
    public void emojiAndHalfSurrogatesAreAnswered() throws Exception {
        for (String text : List.of("😀", "👩‍👩‍👧‍👦🎉", "\ud800", "a\udc00b", "\u0000")) {
            Prediction answer = classifier.predict(text);
            assertTrue(answer.probabilities()[answer.best()] > 0);
        }
    }

    @Test
    public void aMegabyteIsCutToTheLongestInput() throws Exception {
        Prediction words = classifier.predict("wake me at six ".repeat(70_000));
        assertTrue(words.truncated());
        assertEquals(128, words.tokens());
        Prediction oneWord = classifier.predict("x".repeat(1_000_000));
        assertEquals(3, oneWord.tokens());
    }

    @Test
    public void textOfAllLengthsIsAnsweredByTheSameEngine() throws Exception {
        StringBuilder text = new StringBuilder();
        for (int words = 1; words < 200; words += 7) {
            text.setLength(0);
            text.append("one ".repeat(words));
            assertEquals(Math.min(128, words + 2), classifier.predict(text.toString()).tokens());
        }
    }

    @Test
    public void aDetectorIsNoTextClassifier() throws Exception {
        Bundle bundle = Given.bundle("nab");
        BundleException error = assertThrows(
                BundleException.class, () -> TextClassifier.open(bundle, null, 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("is an anomaly detector"));
    }

    @Test
    public void aManifestOfOtherLabelsThanTheModelIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("assistant");
        copy.manifest("\"alarm_set\",", "");
        BundleException error = assertThrows(
                BundleException.class, () -> TextClassifier.open(Bundle.open(copy), null, 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("for 15 labels"));
    }

    @Test
    public void aBundleForPairsOfTextsIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("assistant");
        copy.manifest("\"pad_id\": 0", "\"pad_id\": 0, \"pair\": true");
        BundleException error = assertThrows(
                BundleException.class, () -> TextClassifier.open(Bundle.open(copy), null, 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("two texts together, this app takes one"));
    }

    @Test
    public void anUnknownStepAfterTheLogitsIsRefused() throws Exception {
        Given.Copy copy = Given.Copy.of("assistant");
        copy.manifest("softmax", "sigmoid");
        BundleException error = assertThrows(
                BundleException.class, () -> TextClassifier.open(Bundle.open(copy), null, 1, OnnxEngine::open));
        assertTrue(error.getMessage(), error.getMessage().contains("knows 'softmax': update the app"));
    }
}
