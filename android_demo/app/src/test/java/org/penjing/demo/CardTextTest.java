package org.penjing.demo;

import static org.junit.Assert.assertEquals;

import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** A model card's Markdown as plain lines; how they look is in the picture of the about screen. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
public final class CardTextTest {
    private static void reads(String markdown, String text) {
        assertEquals(text, CardText.of(markdown).toString());
    }

    @Test
    public void headingsAndParagraphsStandApart() {
        reads("# name\n\nOne line\nand its end.\n\nAnother.\n", "name\n\nOne line and its end.\n\nAnother.");
    }

    @Test
    public void aTableIsARowALine() {
        reads("| file | n |\n|---|---:|\n| a | 1 |\n| b | 2 |\n\nAfter.",
                "file · n\n• a · 1\n• b · 2\n\nAfter.");
    }

    @Test
    public void codeKeepsItsLines() {
        reads("Do:\n\n```python\nimport x\n  y()\n```\n", "Do:\n\nimport x\n  y()");
    }

    @Test
    public void marksInsideALineAreGone() {
        reads("Run `penjing verify`, **now**.", "Run penjing verify, now.");
    }

    @Test
    public void anEmptyCardIsEmpty() {
        reads("", "");
    }
}
