"""Writes texts and what Hugging Face's `tokenizers` makes of them, for TokenizerParityTest to compare.

Into the folder that PENJING_PARITY names: for each tokenizer `tokenizer-NAME.json` and `tokenizer-NAME.cases`, JSON
lines of text, ids, starts and ends (in code points; the test counts in `char`s) and whether it was cut. The real
vocabularies and texts come from ../shared/data; without it there are the bundle's own tokenizer (PENJING_BUNDLES) and
made texts, and the script says so. Texts of the world's languages come from the resources of Android itself
(a framework-res APK or resources.arsc, the optional argument). Left out: special tokens off, pairs, padding.

    PENJING_PARITY=/tmp/parity python android_demo/check/make_tokenizer_cases.py [framework.apk]
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizer_texts import SHARED, SPECIAL, all_texts
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

MAX_LENGTH = 64


def main() -> None:
    """Writes the cases of all tokenizers and says how many there are."""
    folder = Path(os.environ["PENJING_PARITY"])
    folder.mkdir(parents=True, exist_ok=True)
    texts = all_texts(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(f"{len(texts):,} different texts")
    for name, tokenizer, every in tokenizers():
        write_cases(folder, name, tokenizer, texts[::every])


def write_cases(folder: Path, name: str, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Two files: the tokenizer, and what it makes of the texts."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)
    tokenizer.save(str(folder / f"tokenizer-{name}.json"))
    with (folder / f"tokenizer-{name}.cases").open("w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps({"max_length": MAX_LENGTH}) + "\n")
        for text in texts:
            encoding = tokenizer.encode("".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text))
            starts, ends = zip(*encoding.offsets, strict=True) if encoding.offsets else ((), ())
            cut = bool(encoding.overflowing)
            case = {"text": text, "ids": encoding.ids, "starts": starts, "ends": ends, "truncated": cut}
            file.write(json.dumps(case, separators=(",", ":")) + "\n")
    print(f"tokenizer-{name}: {len(texts):,} cases")


def tokenizers() -> Iterator[tuple[str, Tokenizer, int]]:
    """Name, tokenizer, and the share of the texts (one in so many) that it is tried on."""
    for path in sorted(Path(os.environ.get("PENJING_BUNDLES", "bundles")).glob("*/tokenizer.json")):
        yield f"bundle-{path.parent.name}", Tokenizer.from_file(str(path)), 1
    uncased = SHARED / "vocab/vocab_bert_base_uncased/vocab.txt"
    chinese = SHARED / "vocab/vocab_bert_base_chinese/vocab.txt"
    if not uncased.is_file():
        print("../shared/data is absent: no vocabularies but those of the bundles in PENJING_BUNDLES")
        return
    yield "uncased", bert(uncased), 1
    yield "chinese", bert(chinese), 1
    yield "uncased-capitals", bert(uncased, lowercase=False), 2
    yield "chinese-capitals", bert(chinese, lowercase=False), 2
    yield "chinese-accents", bert(chinese, strip_accents=False), 4
    yield "uncased-no-accents", bert(uncased, strip_accents=True, lowercase=False), 4
    yield "chinese-raw", bert(chinese, clean_text=False, handle_chinese_chars=False), 4
    yield "uncased-added", with_added(bert(uncased)), 2


def bert(vocabulary: Path, **options: bool) -> Tokenizer:
    """BERT's tokenizer of this vocabulary, its normalizer with these options."""
    pieces = vocabulary.read_text(encoding="utf-8").split("\n")
    ids = {piece: i for i, piece in enumerate(pieces) if piece}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    settings: Any = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    tokenizer.normalizer = normalizers.BertNormalizer(**(settings | options))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    return tokenizer


def with_added(tokenizer: Tokenizer) -> Tokenizer:
    """With one added token for each way of matching."""
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False)])
    tokenizer.add_tokens(
        [
            AddedToken("<ent>", single_word=True, normalized=False),
            AddedToken("Foo", single_word=True),
            AddedToken("\u00c9t\u00e9"),
            AddedToken("new york", lstrip=True),
            AddedToken("\u4e2d\u6587", rstrip=True, normalized=False),
            AddedToken("x_y", lstrip=True, rstrip=True, single_word=True),
        ]
    )
    return tokenizer


if __name__ == "__main__":
    main()
