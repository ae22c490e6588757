"""The smaller tokenizer of a vocabulary cut: the source's files with the kept pieces, under their new ids.

Every file that names an id is rewritten: `tokenizer.json` (pieces, added tokens, post-processor, padding), `vocab.txt`
and `tokenizer_config.json`; `special_tokens_map.json` names none. How text becomes words, and truncation, stay as they
are. Left out: choosing the pieces (`vocabulary.py`) and the model's `config.json`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ...runtime.errors import PruningError
from ...runtime.tokenizer import TOKENIZER_NAME
from .vocabulary import VocabularyCut, must_stay, new_ids, open_word_piece

VOCABULARY_NAME, CONFIG_NAME, SPECIAL_NAME = "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"
Json = dict[str, Any]


def write_cut_tokenizer(source: Path, target: Path, cut: VocabularyCut) -> None:
    """Writes the tokenizer of `source` with only the kept pieces into the folder `target`.

    Raises PruningError when the cut is of another vocabulary, or leaves out what must stay.
    """
    old = open_word_piece(source)
    _check_fit(old, source, cut)
    renumber = _renumbering(source, cut)
    new = Tokenizer.from_str(json.dumps(_cut_settings(json.loads(old.to_str()), renumber, set(cut.kept))))
    _check_ids(old, new, source, cut)
    target.mkdir(parents=True, exist_ok=True)
    new.save(str(target / TOKENIZER_NAME))
    lines = (f"{new.id_to_token(i)}\n" for i in range(len(cut.kept)))
    (target / VOCABULARY_NAME).write_text("".join(lines), encoding="utf-8", newline="\n")
    if (source / CONFIG_NAME).is_file():
        config = _cut_config(json.loads((source / CONFIG_NAME).read_text(encoding="utf-8")), renumber)
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (target / CONFIG_NAME).write_text(text, encoding="utf-8", newline="\n")
    if (source / SPECIAL_NAME).is_file():
        shutil.copyfile(source / SPECIAL_NAME, target / SPECIAL_NAME)


def _cut_settings(raw: Json, renumber: Callable[[int], int], kept: set[int]) -> Json:
    """`tokenizer.json` with the kept pieces under their new ids."""
    pieces = {piece: renumber(i) for piece, i in raw["model"]["vocab"].items() if i in kept}
    padding = raw["padding"] and {**raw["padding"], "pad_id": renumber(raw["padding"]["pad_id"])}
    return {
        **raw,
        "model": {**raw["model"], "vocab": pieces},
        "added_tokens": [{**token, "id": renumber(token["id"])} for token in raw["added_tokens"]],
        "post_processor": raw["post_processor"] and _cut_processor(raw["post_processor"], renumber),
        "padding": padding,
    }


def _cut_processor(raw: Json, renumber: Callable[[int], int]) -> Json:
    """A post-processor's settings: a template, BERT's or RoBERTa's pair of tokens, or a sequence of such."""
    cut = dict(raw)
    if raw["type"] == "Sequence":
        cut["processors"] = [_cut_processor(part, renumber) for part in raw["processors"]]
    elif raw["type"] == "TemplateProcessing":
        tokens = raw["special_tokens"].items()
        cut["special_tokens"] = {name: {**t, "ids": [renumber(i) for i in t["ids"]]} for name, t in tokens}
    elif raw["type"] in ("BertProcessing", "RobertaProcessing"):
        cut.update({key: [raw[key][0], renumber(raw[key][1])] for key in ("sep", "cls")})
    return cut


def _cut_config(raw: Json, renumber: Callable[[int], int]) -> Json:
    """`tokenizer_config.json`, whose added tokens stand under their ids."""
    if "added_tokens_decoder" not in raw:
        return raw
    tokens = {str(renumber(int(i))): token for i, token in raw["added_tokens_decoder"].items()}
    return {**raw, "added_tokens_decoder": tokens}


def _renumbering(source: Path, cut: VocabularyCut) -> Callable[[int], int]:
    ids = new_ids(cut)

    def renumber(old: int) -> int:
        if not 0 <= old < cut.old_size or ids[old] < 0:
            raise PruningError(
                f"{source} names the id {old}, which is not among the tokens kept: its files disagree about the"
                " special tokens; save the tokenizer there again"
            )
        return int(ids[old])

    return renumber


def _check_fit(tokenizer: Tokenizer, source: Path, cut: VocabularyCut) -> None:
    ids = set(tokenizer.get_vocab().values())
    if max(ids) + 1 != cut.old_size or not ids.issuperset(cut.kept):
        raise PruningError(
            f"the cut is of a vocabulary of {cut.old_size} ids, {source} has {max(ids) + 1}: it has been cut already,"
            " or is another model's; choose the vocabulary from it again"
        )
    missing = sorted(must_stay(tokenizer).difference(cut.kept))
    if missing:
        raise PruningError(
            f"the cut leaves out {len(missing)} tokens that must stay, such as {tokenizer.id_to_token(missing[0])!r}"
            f" (special tokens, single characters of {source}): choose the vocabulary from it again"
        )


def _check_ids(old: Tokenizer, new: Tokenizer, source: Path, cut: VocabularyCut) -> None:
    """The library numbers added tokens that are no pieces itself; it must come to the ids that the table has."""
    expected = {(old.id_to_token(before), after) for after, before in enumerate(cut.kept)}
    wrong = sorted(expected.symmetric_difference(new.get_vocab().items()))
    if wrong:
        raise PruningError(
            f"the token {wrong[0][0]!r} of {source} would not keep its row: an added token stands between the pieces,"
            " or two tokens share an id; save the tokenizer with added tokens after the pieces, or keep the vocabulary"
        )
