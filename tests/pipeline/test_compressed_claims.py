"""The experiment on compressed detectors: one small table through it, and claims from rows by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penjing.pipeline.detection.sections import DetectorRecipe
from penjing.pipeline.detection.suite import recipe_on
from penjing.pipeline.experiments.compressed_detectors import Row, claims_of, compress
from penjing.pipeline.recipe import load_recipe


def test_a_table_gives_a_row_for_each_way_to_compress(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    normal, odd = random.normal(size=(200, 4)), random.normal(size=(40, 4)) * 0.3 + 4
    np.savez(tmp_path / "table.npz", X=np.concatenate([normal, odd]), y=np.repeat([0, 1], [200, 40]))
    base = load_recipe("adbench")
    assert isinstance(base, DetectorRecipe)
    rows = list(compress(recipe_on(base, tmp_path / "table.npz", 1), tmp_path / "out"))
    assert [row.what for row in rows] == ["isolation-forest", "nearest", "int8", "tuned int8"]
    assert all(row.data == "table" and row.before > 0.95 and row.after > 0.9 for row in rows)
    assert [row.error is None for row in rows] == [True, True, False, False]


def test_claims_count_tables_by_the_mean_loss_of_their_seeds() -> None:
    rows = [
        Row(f"t{table}", seed, kind, 0.9, 0.9 - loss, passed=True)
        for kind in ("isolation-forest", "nearest")
        for table, losses in enumerate([(0.0, 0.03), (0.03, 0.03)])
        for seed, loss in enumerate(losses)
    ]
    rows += [
        Row(f"t{table}", 0, what, 0.9, 0.9 - loss, error=loss)
        for what, loss in (("int8", 0.02), ("tuned int8", 0.01))
        for table in range(2)
    ]
    claims = {claim["id"]: claim for claim in claims_of(rows)}
    assert claims["compressed.nearest.tables"]["value"] == 1
    assert claims["compressed.nearest.tables"]["target"] == ">= 2" and not claims["compressed.nearest.tables"]["met"]
    assert claims["compressed.nearest.loss"]["value"] == pytest.approx(0.0225)
    assert claims["compressed.tuned-int8.error"]["value"] == 0.01
    assert claims["compressed.int8.loss"]["value"] == pytest.approx(0.02)
