"""Texts to try a tokenizer on: real ones in many languages, every block of Unicode, and what went wrong for somebody.

The real texts come from ../shared/data, where it is there, and from the resources of Android itself, which are
translated into 75 languages. Left out: what a tokenizer makes of them (make_tokenizer_cases.py).
"""

from __future__ import annotations

import lzma
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared" / "data"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SEED = 7
ENGLISH = ("corpus_en/leipzig_enwiki2016_10k.txt.xz", "multi30k_captions/val.5caps.tsv.xz", "wnut17/test.conll")
CHINESE = ("zh_chnsenticorp/dev.tsv", "zh_afqmc/dev.tsv", "zh_thucnews20k/test.tsv")
SENTENCES = (
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",  # noqa: RUF001
    "人人生而自由,在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
)
"""The first article of the Universal Declaration of Human Rights."""
MARKS = [*range(0x300, 0x370), *range(0x591, 0x5C8), 0x64B, 0x651, 0x302A, 0x302E, 0x1D165, 0x1D16D, 0x16FF0, 0x3099]
BASES = "aeioucnsAEIOUCNS\u00e9\u00c5\u0130\u01d5\u1eadはカ각간中\u0344\u0958\u0f43\u1f82\u2126\ufb1d\U0001d15e \t[1"
EMOJI = "😀👩👨👧❤🏳🌈👍🇩🇪🇯🇵#1⌚✈🧑🚀"
JOINERS = ["\u200d", "\ufe0f", "\ufe0e", "\U0001f3fd", "\u20e3", "\U000e0067", "\U000e007f", " ", ""]
HALVES = [0xD800, 0xD83D, 0xDBFF, 0xDC00, 0xDE00, 0xDFFF]
NEAR_SPECIAL = [
    *SPECIAL,
    "[mask]",
    "[ MASK ]",
    "[MASK",
    "MASK]",
    "[SEP][SEP]",
    "[UNK]s",
    "##ing",
    "[unused1]",
    "<mask>",
]
NEAR_ADDED = ["<ent>", "Foo", "foo", "fo\u00f3", "\u00c9t\u00e9", "ete", "new york", "New  York", "\u4e2d\u6587", "x_y"]


def all_texts(resources: Path | None) -> list[str]:
    """Different texts in mixed order; `resources` is a framework APK or its resources.arsc."""
    rng = random.Random(SEED)
    texts = list(dict.fromkeys(joined(text) for text in [*real_texts(rng, resources), *made_texts(rng)]))
    rng.shuffle(texts)
    return texts


def real_texts(rng: random.Random, resources: Path | None) -> Iterator[str]:
    """What people wrote: English and Chinese data, and every language of Android."""
    yield from SENTENCES
    for name in (*ENGLISH, *CHINESE):
        path = SHARED / "text" / name
        if not path.is_file():
            print(f"../shared/data/text/{name} is absent: no texts from it")
            continue
        text = (lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()).decode("utf-8")
        lines = [line for line in text.split("\n") if line]
        yield from rng.sample(lines, min(len(lines), 2000))
    if resources is None:
        print("no Android resources are given: few texts in other languages")
        return
    strings = [string for string in resource_strings(resources) if " " in string or not string.isascii()]
    yield from rng.sample(strings, min(len(strings), 8000))


def resource_strings(path: Path) -> Iterator[str]:
    """The pool of strings that a resources.arsc begins with (format: frameworks/base ResourceTypes.h)."""
    if path.suffix == ".arsc":
        data = path.read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            data = archive.read("resources.arsc")
    pool = data[12:]
    _, _, count, _, flags, first, _ = struct.unpack_from("<IIIIIII", pool)
    for offset in struct.unpack_from(f"<{count}I", pool, 28):
        at = first + offset
        if flags & 0x100:  # UTF-8: its length in UTF-16, then in bytes, one or two bytes each
            at += 2 if pool[at] & 0x80 else 1
            size = (pool[at] & 0x7F) << 8 | pool[at + 1] if pool[at] & 0x80 else pool[at]
            at += 2 if pool[at] & 0x80 else 1
            yield pool[at : at + size].decode("utf-8", "replace")
        else:
            size = int.from_bytes(pool[at : at + 2], "little")
            yield pool[at + 2 : at + 2 + 2 * size].decode("utf-16-le", "replace")


def made_texts(rng: random.Random) -> Iterator[str]:
    """Every block of Unicode in order, then mixtures of everything that went wrong for somebody."""
    for first in (*range(0, 0x33480, 32), *range(0xE0000, 0xE0200, 32), 0xF0000, 0x10FFE0):
        codes = [code for code in range(first, first + 32) if not 0xD800 <= code < 0xE000]
        yield "".join(map(chr, codes))
        yield "e" + " a".join(map(chr, codes))
    makers: list[tuple[int, Callable[[random.Random], str]]] = [
        (4000, any_characters),
        (4000, marks),
        (1000, emoji),
        (1000, halves),
        (1500, specials),
        (1500, capitals),
        (500, long_words),
        (500, controls),
    ]
    for _ in range(300):  # longer than what is tried first of a long text, so that it is cut early
        yield rng.choice((" ", "\n", " \u00a0", "\u0000" * 99, " " * 700)).join(rng.choices(SENTENCES, k=20))
    for count, make in makers:
        yield from (make(rng) for _ in range(count))
    yield from ("", " ", "\n\t ", "\u3000", "a" * 100, "a" * 101, "[CLS]", "中" * 300, "\u0301" * 200, "x " * 3000)


def any_characters(rng: random.Random) -> str:
    """Letters of a few pages of Unicode, with spaces between some."""
    pages = [rng.choice((rng.randrange(0x100), rng.randrange(0x34), rng.randrange(0x335))) for _ in range(3)] + [0]
    return "".join(
        rng.choice(("", "", " ")) + chr(256 * rng.choice(pages) + rng.randrange(256))
        for _ in range(rng.randrange(1, 40))
    )


def marks(rng: random.Random) -> str:
    """Letters with marks in any order, some of which are no non-spacing ones and so stay."""
    return "".join(
        rng.choice(BASES) + "".join(chr(rng.choice(MARKS)) for _ in range(rng.randrange(6)))
        for _ in range(rng.randrange(1, 12))
    )


def emoji(rng: random.Random) -> str:
    """Emoji with joiners, selectors and skin tones."""
    return "".join(rng.choice(EMOJI) + rng.choice(JOINERS) for _ in range(rng.randrange(1, 20)))


def halves(rng: random.Random) -> str:
    """Words with halves of surrogate pairs in them."""
    return "".join(rng.choice(("a", "Été ", "中", "😀", chr(rng.choice(HALVES)))) for _ in range(rng.randrange(1, 20)))


def specials(rng: random.Random) -> str:
    """Special and added tokens, whole or nearly, with and without spaces, letters and marks around."""
    glue = ("", " ", "  ", "a", "\u0301", "_", "-", "\u00a0", "\u3000", "中", "1", "\ufffd")
    return "".join(
        rng.choice(glue) + rng.choice((*NEAR_SPECIAL, *NEAR_ADDED)) + rng.choice(glue)
        for _ in range(rng.randrange(1, 8))
    )


def capitals(rng: random.Random) -> str:
    """A sentence with its case and its accents changed."""
    change = rng.choice((str.upper, str.title, str.swapcase, str.casefold))
    return change(rng.choice(SENTENCES)).replace("i", rng.choice("iİıI")).replace("s", rng.choice("sSßẞΣς"))  # noqa: RUF001


def long_words(rng: random.Random) -> str:
    """Words around the longest that WordPiece looks at."""
    return " ".join(rng.choice("aÉ中z\u0301😀") * rng.randrange(90, 110) for _ in range(rng.randrange(1, 4)))


def controls(rng: random.Random) -> str:
    """Control characters and all kinds of spaces between letters."""
    spaces = [
        *range(33),
        *range(0x7F, 0xA1),
        0xAD,
        *range(0x2000, 0x2010),
        0x2028,
        0x2029,
        0x202F,
        0x3000,
        0xFEFF,
        0xFFFD,
    ]
    return "".join(rng.choice("abcÉ.") + chr(rng.choice(spaces)) for _ in range(rng.randrange(1, 30)))


def joined(text: str) -> str:
    """With halves that happen to make a pair as the one character that UTF-16 says they are."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
