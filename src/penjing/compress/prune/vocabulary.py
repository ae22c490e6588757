"""Vocabulary pruning: the rows of a WordPiece embedding table that the task's text needs.

Pieces are kept by how often the text uses them (Abdaoui et al. 2020, "Load What You Need", arXiv 2010.05609, who trim
multilingual BERT by language). `must_stay` adds what keeps every word spellable, so that a word whose piece is cut
falls apart into smaller ones and never becomes [UNK]. Left out: writing the smaller tokenizer (`tokenizer_cut.py`),
cutting the table itself (`apply.py`), and tokenizers other than WordPiece.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ...runtime.errors import PruningError
from ...runtime.tokenizer import TOKENIZER_NAME
from ..tokens import TokenizedTexts

CUT_NAME = "vocabulary.json"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHUNK = 4096
"""Texts tokenized at a time: an encoding takes far more memory than its ids."""


@dataclass(frozen=True)
class VocabularyCut:
    """`kept`: old ids in ascending order; the new id of `kept[i]` is i. `old_size`: the ids before the cut.

    Raises PruningError when `kept` is empty, not ascending, or out of range.
    """

    kept: tuple[int, ...]
    old_size: int

    def __post_init__(self) -> None:
        ascending = all(before < after for before, after in zip(self.kept, self.kept[1:], strict=False))
        if not self.kept or not ascending or self.kept[0] < 0 or self.kept[-1] >= self.old_size:
            raise PruningError(
                f"the vocabulary's kept ids must be ascending numbers from 0 to {self.old_size - 1}, at least one, and"
                f" are {_shown(self.kept)}: choose the vocabulary again"
            )


def choose_vocabulary(
    tokenizer_folder: Path,
    texts: Sequence[str],
    *,
    words: int | None,
    smallest_count: int = 1,
    unchanged_texts: Sequence[str] = (),
) -> VocabularyCut:
    """What must stay, then the pieces that `texts` use, the most frequent first (ties by id), up to `words` in all.

    `words` None keeps every piece that is used at least `smallest_count` times; with the default of 1 the texts keep
    their tokens. The `unchanged_texts` keep theirs in any case. Raises PruningError when `words` is out of range, the
    texts use nothing of the vocabulary but what must stay, or the folder's tokenizer is not a WordPiece one.
    """
    tokenizer = open_word_piece(tokenizer_folder)
    ids, spelling = tokenizer.get_vocab(), must_stay(tokenizer)
    old_size, staying = max(ids.values()) + 1, spelling
    if unchanged_texts:
        used = _count_others(tokenizer, unchanged_texts, spelling, old_size)
        _check_use(used, 1, len(unchanged_texts), tokenizer_folder)
        staying = spelling.union(np.flatnonzero(used).tolist())
    if words is not None and not len(staying) <= words <= len(ids):
        raise PruningError(
            f"a vocabulary of {words} words cannot be cut out of {tokenizer_folder}: it has {len(ids)}, of which"
            f" {len(staying)} must stay (special tokens, single characters, words of texts that keep their tokens); ask"
            f" for {len(staying)} to {len(ids)}"
        )
    if smallest_count < 1:
        raise PruningError(f"smallest_count is {smallest_count}, allowed is 1 or more: 1 keeps every piece in use")
    counts = _count_others(tokenizer, texts, spelling, old_size)
    _check_use(counts, smallest_count, len(texts), tokenizer_folder)
    counts[list(staying)] = 0
    frequent = np.flatnonzero(counts >= smallest_count)
    frequent = frequent[np.argsort(-counts[frequent], kind="stable")]
    room = len(frequent) if words is None else words - len(staying)
    return VocabularyCut(tuple(sorted(staying.union(frequent[:room].tolist()))), old_size)


def must_stay(tokenizer: Tokenizer) -> frozenset[int]:
    """Ids without which a text that could be spelt may not be: added and special tokens and every single character.

    Both forms of a character stay, at a word's start and inside it ("a" and "##a"), and the pieces of characters that
    lack one of the forms (see `_bound`).
    """
    pieces, prefix = tokenizer.get_vocab(with_added_tokens=False), tokenizer.model.continuing_subword_prefix
    added = {token.content: i for i, token in tokenizer.get_added_tokens_decoder().items()}
    special = {pieces[name] for name in (*SPECIAL_TOKENS, tokenizer.model.unk_token) if name in pieces}
    special.update(added.values(), tokenizer.encode("", "").ids)  # what the post-processor adds to nothing
    if tokenizer.padding is not None:
        special.add(tokenizer.padding["pad_id"])
    plain = {piece: _letters(piece, prefix) for piece in pieces if piece not in added}
    single = {piece for piece, letters in plain.items() if len(letters) == 1}
    lacking = {p for p, letters in plain.items() if any(form not in pieces for form in _forms(p, letters, prefix))}
    if lacking:  # seldom, and asking which pieces a text can use takes half a second
        plain = {piece: letters for piece, letters in plain.items() if _is_one_word(tokenizer, letters)}
    return frozenset(special.union(pieces[piece] for piece in single | _bound(lacking & plain.keys(), plain)))


def open_word_piece(folder: Path) -> Tokenizer:
    """The folder's `tokenizer.json`. Raises PruningError when it cannot be read or its model is not WordPiece."""
    path = folder / TOKENIZER_NAME
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        reason = " ".join(str(error).split())[:200]
        raise PruningError(
            f"{path} cannot be read as a tokenizer ({reason}): save the teacher's fast tokenizer there again"
        ) from None
    kind = type(tokenizer.model).__name__
    if kind != "WordPiece":
        raise PruningError(
            f"{path} is a {kind} tokenizer; the vocabulary of a WordPiece one can be cut (BERT, MiniLM, MobileBERT,"
            " DistilBERT, ELECTRA): take such a teacher, or keep the vocabulary"
        )
    return tokenizer


def new_ids(cut: VocabularyCut) -> NDArray[np.int64]:
    """[old_size]: the new id of each old one, -1 where it is cut."""
    ids = np.full(cut.old_size, -1, dtype=np.int64)
    ids[list(cut.kept)] = np.arange(len(cut.kept))
    return ids


def unchanged(cut: VocabularyCut, old: TokenizedTexts, new: TokenizedTexts) -> NDArray[np.bool_]:
    """[texts]: True where the tokens are the old ones under their new ids, so that position i is still position i.

    `old` and `new` are the same texts, in the same order, by the old tokenizer and the cut one.
    """
    same: NDArray[np.bool_] = old.lengths == new.lengths
    renumbered = new_ids(cut)[old.ids]
    for i in np.flatnonzero(same):
        before = renumbered[old.offsets[i] : old.offsets[i + 1]]
        same[i] = np.array_equal(before, new.ids[new.offsets[i] : new.offsets[i + 1]])
    return same


def write_cut(cut: VocabularyCut, folder: Path) -> None:
    """Writes `vocabulary.json`, by which a student's folder says how its ids come from the teacher's."""
    (folder / CUT_NAME).write_text(json.dumps(asdict(cut)) + "\n", encoding="utf-8")


def read_cut(folder: Path) -> VocabularyCut | None:
    """What `write_cut` wrote; None where the vocabulary is whole."""
    if not (folder / CUT_NAME).exists():
        return None
    raw = json.loads((folder / CUT_NAME).read_text(encoding="utf-8"))
    return VocabularyCut(tuple(raw["kept"]), raw["old_size"])


def _letters(piece: str, prefix: str) -> str:
    """The text that a piece stands for."""
    return piece.removeprefix(prefix) if len(piece) > len(prefix) else piece


def _forms(piece: str, letters: str, prefix: str) -> list[str]:
    """The single-character pieces that spell it: "##ab" by "##a" and "##b", "ab" by "a" and "##b"."""
    forms = [prefix + letter for letter in letters]
    return forms if piece == prefix + letters else [letters[0], *forms[1:]]


def _bound(lacking: set[str], letters: Mapping[str, str]) -> set[str]:
    """The pieces whose letters occur with those of `lacking`, in one piece or through a chain of pieces.

    Keeping the lacking pieces alone is not enough. Where "c" has no "##c", the word "xyac" may be "xy", "##ac" before
    the cut; without "xy" the longest match is "x", then "##ya" if there is one, and "c" is left over. When all of the
    chain stays, no piece reaches from its letters into others: within runs of its letters every longest match is the
    old one, and all other letters can be spelt one by one. The published BERT vocabularies lack no form, so none is
    bound there.
    """
    chain = set("".join(letters[piece] for piece in lacking))
    while True:
        touched = [piece for piece, own in letters.items() if not chain.isdisjoint(own)]
        grown = chain.union(*(letters[piece] for piece in touched))
        if grown == chain:
            return set(touched)
        chain = grown


def _is_one_word(tokenizer: Tokenizer, letters: str) -> bool:
    """False for a piece such as "[unused1]", which the split into words takes apart, so that no text ever uses it."""
    return tokenizer.pre_tokenizer is None or len(tokenizer.pre_tokenizer.pre_tokenize_str(letters)) == 1


def _count_others(
    tokenizer: Tokenizer, texts: Sequence[str], staying: frozenset[int], old_size: int
) -> NDArray[np.int64]:
    """[old_size]: how often the texts use each id that is not among `staying`; whole texts, without what the
    post-processor adds."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    counts = np.zeros(old_size, dtype=np.int64)
    for start in range(0, len(texts), CHUNK):
        chunk = list(texts[start : start + CHUNK])
        for encoding in tokenizer.encode_batch(chunk, add_special_tokens=False):
            np.add.at(counts, encoding.ids, 1)
    counts[list(staying)] = 0
    return counts


def _check_use(counts: NDArray[np.int64], smallest_count: int, texts: int, folder: Path) -> None:
    """`counts` are those of the pieces that need not stay."""
    most = int(counts.max())
    if most == 0:
        raise PruningError(
            f"the texts given ({texts}) use no word of the vocabulary in {folder}, at most single characters: name a"
            " file with text of the task, in the vocabulary's language"
        )
    if most < smallest_count:
        raise PruningError(
            f"no word is used smallest_count = {smallest_count} times by the texts given ({texts}), the most frequent"
            f" one {most} times: lower it to {most} or less, or give more text"
        )


def _shown(ids: Sequence[int]) -> str:
    return f"{list(ids)}" if len(ids) <= 8 else f"{len(ids)} from {min(ids)} to {max(ids)}"
