"""The vocabulary experiment's counts on decisions made by hand, and its claims whole."""

from __future__ import annotations

import numpy as np
from test_claims import problems

from penjing.compress.prune.vocabulary import VocabularyCut
from penjing.compress.tokens import TokenizedTexts
from penjing.pipeline.experiments.vocabulary import Judged, claims, judged_by

CUT = VocabularyCut(kept=(0, 1, 3), old_size=10)


def texts(*rows: list[int]) -> TokenizedTexts:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return TokenizedTexts(np.concatenate([np.asarray(row, np.int32) for row in rows]), offsets, 0)


def test_flips_and_changed_texts_are_counted() -> None:
    whole, small, gold = (np.array(row) for row in ([1, 0, 1], [1, 1, 1], [1, 0, 0]))
    before, after = texts([1, 3], [1, 5], [3]), texts([1, 2], [1, 1, 2], [2])
    found = judged_by(CUT, whole, small, gold, before, after)
    assert found == Judged(n=3, right_whole=2, right_cut=1, flips=1, changed=1, tokens_whole=5, tokens_cut=6)


def test_claims_are_whole_and_judged_by_the_numbers() -> None:
    kept, moved = Judged(100, 90, 90, 0, 50, 1000, 1100), Judged(200, 180, 170, 12, 90, 1000, 1200)
    found = {c["id"]: {**c, "command": "made by hand"} for c in claims(CUT, {"validation": kept, "reviews": moved})}
    assert [problem for claim in found.values() for problem in problems(claim)] == []
    assert found["vocabulary.rows_gone"]["value"] == 0.7
    assert found["vocabulary.flips"]["met"] is True
    assert found["vocabulary.reviews.flips"]["value"] == 0.06
    assert found["vocabulary.reviews.loss"]["value"] == 0.05
    assert found["vocabulary.reviews.loss"]["met"] is False
