"""Writes core's character table: what the `tokenizers` library makes of every code point, found by asking it.

Android 7 knows Unicode 8, Java 17 knows 13 and the library mixes several, so the app asks none of them: it reads this
table. The file is text: named sections, each with its number of groups of whole numbers to base 36. `kinds` and
`classes` are runs of (gap since the last run, length, value); `decompositions` and `lowercase` are rows of (gap since
the last code point, number of parts, parts). Left out: Hangul syllables, whose decomposition is arithmetic, and all
that BERT's normalizer and splitter do not look at.

    python android_demo/check/make_char_table.py    # after the library's version changes
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

TABLE = Path(__file__).parents[1] / "core/src/main/resources/org/penjing/core/characters.txt"
DROPPED, SPACE, CHINESE, PUNCTUATION, MARK, WORD = 1, 2, 4, 8, 16, 32
"""The bits of a kind, as in CharTable.java, which adds two for the rows of the other sections."""
LAST = 0x110000
HANGUL = range(0xAC00, 0xD7A4)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
CHUNK = 20_000
CHARACTERS = [chr(code) for code in range(LAST) if not 0xD800 <= code < 0xE000]
LIGHTEST, HEAVIEST = "\u0334", "\u0345"
"""Marks of the lowest and the highest combining class."""


def main() -> None:
    """Writes the table and says how large it is."""
    text = make_table()
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(text, encoding="ascii", newline="\n")
    print(f"{TABLE.name}: {len(text):,} bytes, from tokenizers {tokenizers.__version__}")


def make_table() -> str:
    """The file's content."""
    parts = ask(normalizers.NFD().normalize_str, "\n")
    lower = ask(normalizers.Lowercase().normalize_str, "\n")
    check_assumptions(parts, lower)
    sections = {
        "kinds": runs(kinds(parts)),
        "classes": runs(classes(parts)),
        "decompositions": rows({c: p for c, p in parts.items() if p != c and ord(c) not in HANGUL}),
        "lowercase": rows({c: small for c, small in lower.items() if small != c}),
    }
    head = (
        f"# Made by make_char_table.py from tokenizers {tokenizers.__version__}: make it again instead of editing it.\n"
    )
    return head + "".join(section(name, groups) for name, groups in sections.items())


def check_assumptions(parts: dict[str, str], lower: dict[str, str]) -> None:
    """What the Java code takes for granted; a new version of the library may break it."""
    for code in HANGUL:
        syllable, trailing = divmod(code - HANGUL.start, 28)
        jamo = [0x1100 + syllable // 21, 0x1161 + syllable % 21] + ([0x11A7 + trailing] if trailing else [])
        assert parts[chr(code)] == "".join(map(chr, jamo)), f"Hangul {code:X} is not arithmetic"
    for text in ("\u03a3", "a\u03a3", "a\u03a3 b"):
        assert normalizers.Lowercase().normalize_str(text) == "".join(lower[c] for c in text), "lowercase has a context"


def ask(function: Callable[[str], str], separator: str) -> dict[str, str]:
    """`function` of every character, all in one call between separators."""
    others = [character for character in CHARACTERS if character != separator]
    answers = function(separator.join(others)).split(separator)
    return dict(zip(others, answers, strict=True)) | {separator: function(separator)}


def kinds(parts: dict[str, str]) -> dict[int, int]:
    """The bits of every code point that has any."""
    cleaned = ask(bert(clean_text=True), "x")
    spaced = ask(bert(handle_chinese_chars=True), "\n")
    stripped = ask(bert(strip_accents=True), "\n")
    found: Counter[int] = Counter()
    for character in CHARACTERS:
        bits = (
            (DROPPED, not cleaned[character]),
            (CHINESE, spaced[character] != character),
            (MARK, parts[character] == character and not stripped[character]),
        )
        found[ord(character)] = sum(bit for bit, holds in bits if holds)
    for start in range(0, len(CHARACTERS), CHUNK):
        chunk = CHARACTERS[start : start + CHUNK]
        found.update(splits(chunk))
        found.update(words(chunk))
    return {code: value for code, value in found.items() if value}


def bert(**options: bool) -> Callable[[str], str]:
    """BERT's normalizer with all steps off but these."""
    off = dict.fromkeys(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False)
    normalizer = normalizers.BertNormalizer(**(off | options))
    return lambda text: str(normalizer.normalize_str(text))


def splits(chunk: list[str]) -> dict[int, int]:
    """SPACE where the splitter ends a word, PUNCTUATION where it also keeps the character as a word of its own."""
    text = " ".join(f"a{character}a" for character in chunk)
    pieces = Counter(start // 4 for _, (start, _) in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text))
    names = {1: 0, 2: SPACE, 3: PUNCTUATION}
    return {ord(chunk[slot]): names[count] for slot, count in pieces.items()}


def words(chunk: list[str]) -> dict[int, int]:
    """WORD where a token that must stand alone is not seen behind the character."""
    tokenizer = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_tokens([AddedToken("<t>", single_word=True, normalized=False)])
    encoding = tokenizer.encode(" ".join(f"{character}<t>" for character in chunk))
    seen = {start // 5 for token, (start, _) in zip(encoding.tokens, encoding.offsets, strict=True) if token == "<t>"}
    return {ord(character): WORD for slot, character in enumerate(chunk) if slot not in seen}


def classes(parts: dict[str, str]) -> dict[int, int]:
    """Combining classes, by what changes place with what: the library's Unicode is older than Python's."""
    nfd = normalizers.NFD().normalize_str
    singles = [character for character in CHARACTERS if character != "\n" and parts[character] == character]
    behind = nfd("\n".join(HEAVIEST + character for character in singles)).split("\n")
    before = nfd("\n".join(character + LIGHTEST for character in singles)).split("\n")
    marks = [
        c for c, one, two in zip(singles, behind, before, strict=True) if one != HEAVIEST + c or two != c + LIGHTEST
    ]
    examples = {unicodedata.combining(mark): mark for mark in reversed(marks)}
    for one, other in combinations(examples.values(), 2):
        assert not same_class(nfd, one, other), f"{ord(one):X} and {ord(other):X} keep their places"
    return {ord(mark): next(k for k, one in examples.items() if same_class(nfd, mark, one)) for mark in marks}


def same_class(nfd: Callable[[str], str], one: str, other: str) -> bool:
    """Whether two marks are of one class."""
    return nfd(one + other) == one + other and nfd(other + one) == other + one


def runs(values: dict[int, int]) -> Iterator[tuple[int, ...]]:
    """Neighbours of one value as (gap, length, value)."""
    end = start = 0
    for code in range(LAST + 1):
        value = values.get(start, 0)
        if code == LAST or values.get(code, 0) != value:
            if value:
                yield start - end, code - start, value
                end = code
            start = code


def rows(mapping: dict[str, str]) -> Iterator[tuple[int, ...]]:
    """Each character as (gap, number of parts, parts)."""
    last = 0
    for character, parts in sorted(mapping.items()):
        yield ord(character) - last, len(parts), *map(ord, parts)
        last = ord(character)


def section(name: str, groups: Iterable[tuple[int, ...]]) -> str:
    """A line with the name and the number of groups, then all their numbers in lines of at most 120 letters."""
    groups = list(groups)
    numbers = " ".join(base36(number) for group in groups for number in group)
    return "\n".join([f"{name} {base36(len(groups))}", *textwrap.wrap(numbers, 120), ""])


def base36(number: int) -> str:
    """As Java's Integer.parseInt(text, 36) reads it."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits


if __name__ == "__main__":
    main()
