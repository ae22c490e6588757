package org.penjing.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.view.ViewGroup;
import android.widget.TextView;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.penjing.core.EngineException;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowLooper;

/** The text screen: what is typed is answered by the real model, whatever is typed. */
@RunWith(RobolectricTestRunner.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = 35, qualifiers = "w411dp-h891dp-xhdpi")
public final class TextScreenTest {
    @Test
    public void anAnswerAppearsWhileYouType() {
        try (Driver app = Driver.with("assistant").type("wake me up at seven tomorrow")) {
            assertEquals("alarm_set", app.text(R.id.answer));
            assertTrue(app.text(R.id.answer_facts), app.text(R.id.answer_facts).matches("8 tokens · .* ms"));
            ViewGroup rows = app.activity().findViewById(R.id.labels);
            assertEquals(6, rows.getChildCount());
            assertTrue(String.valueOf(rows.getChildAt(0).getContentDescription()).startsWith("alarm_set, "));
            ((TextView) app.activity().findViewById(R.id.answer_facts)).setText("8 tokens · … ms");
            app.picture("text");
        }
    }

    @Test
    public void onlyTheLastOfManyQuickChangesIsAnswered() {
        try (Driver app = Driver.with("assistant")) {
            TextView input = app.activity().findViewById(R.id.input);
            for (String text : new String[] {"p", "play", "play some", "play some jazz music"}) {
                input.setText(text);
            }
            app.type("what is the weather like in Oslo");
            assertEquals("weather_query", app.text(R.id.answer));
        }
    }

    @Test
    public void rotationKeepsTheTextAndAnswersItAgain() {
        try (Driver app = Driver.with("assistant").type("turn the volume down")) {
            app.rotate();
            ShadowLooper.idleMainLooper(1, java.util.concurrent.TimeUnit.SECONDS);
            app.settle();
            assertEquals("turn the volume down", app.text(R.id.input));
            assertEquals("volume_change", app.text(R.id.answer));
        }
    }

    @Test
    public void spacesAreRefusedInOneLineAndAnEmptyFieldIsNot() {
        try (Driver app = Driver.with("assistant").type("   \n ")) {
            assertTrue(app.text(R.id.text_problem), app.text(R.id.text_problem).contains("the text is empty"));
            app.picture("text-spaces");
            app.type("");
            assertEquals("", app.text(R.id.text_problem));
            assertEquals("–", app.text(R.id.answer));
        }
    }

    @Test
    public void emojiAloneIsAnswered() {
        try (Driver app = Driver.with("assistant").type("😀🎉👩‍👩‍👧‍👦")) {
            assertFalse(app.text(R.id.answer).isEmpty());
            assertEquals("", app.text(R.id.text_problem));
            app.picture("text-emoji");
        }
    }

    @Test
    public void aMegabyteOfTextIsCutAndSaidSo() {
        try (Driver app = Driver.with("assistant").type("remind me to buy milk ".repeat(50_000))) {
            assertEquals(TextScreen.LONGEST_TEXT, app.text(R.id.input).length());
            assertTrue(app.text(R.id.text_problem), app.text(R.id.text_problem).contains("10,000"));
            assertTrue(app.text(R.id.answer_facts), app.text(R.id.answer_facts).contains("its end was cut"));
            app.picture("text-megabyte");
            app.rotate();
        }
    }

    @Test
    public void aDetectorTakesNoText() {
        try (Driver app = Driver.with("bearings")) {
            assertTrue(app.text(R.id.answer_facts).contains("Choose a text classifier"));
            assertFalse(app.activity().findViewById(R.id.input).isEnabled());
        }
    }

    @Test
    public void anEngineWithoutALibraryForThisDeviceIsSaidAndTheCardStillReads() {
        try (Driver app = Driver.with("bearings")) {
            app.session().use((model, manifest, file, threads) -> {
                throw new EngineException("there is no engine library for this ABI: install the app's build for it");
            });
            app.choose("assistant");
            assertTrue(app.text(R.id.notice).contains("no engine library"));
            app.picture("engine-missing");
            app.tab(R.id.tab_about);
            assertTrue(app.text(R.id.card).contains("A text classifier"));
        }
    }

    @Test
    public void anEngineThatBreaksInTheLinkerTakesNobodyDown() {
        try (Driver app = Driver.with("bearings")) {
            app.session().use((model, manifest, file, threads) -> {
                throw new UnsatisfiedLinkError("dlopen failed");
            });
            app.choose("assistant");
            assertTrue(app.text(R.id.notice).contains("dlopen failed"));
        }
    }
}
