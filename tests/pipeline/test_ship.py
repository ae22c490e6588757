"""Exported files: a student that has no form for devices is exported as it is, and the user hears of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tiny_recipe import tiny_recipe

from penjing.compress.models.checkpoint import save_student
from penjing.compress.models.mobilebert import MobileBertClassifier, MobileBertConfig
from penjing.pipeline.recipe import check_recipe
from penjing.pipeline.sections import Recipe
from penjing.pipeline.ship import export_student, model_files, nasty_texts
from penjing.pipeline.workspace import Workspace

SHAPE = MobileBertConfig.uniform(
    2, heads=4, head_size=4, feed_forwards=2, intermediate_size=16,
    vocab_size=60, hidden_size=32, embedding_size=16, bottleneck_size=16, max_positions=16,
)  # fmt: skip


def test_a_golden_that_is_cut_has_other_words_at_every_place_where_a_reader_might_cut() -> None:
    for longest in (24, 400, 512):
        words = nasty_texts("turn the lamp off", longest)[-1].split()
        assert len(words) > longest
        assert all(word != following for word, following in itertools.pairwise(words))


@pytest.mark.parametrize(("scale", "heard"), [(0.5, False), (1e-5, True)])
def test_a_student_that_cannot_be_folded_is_exported_and_the_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scale: float, heard: bool
) -> None:
    raw = tiny_recipe(tmp_path)
    raw["export"]["formats"], raw["quantize"] = ["onnx"], {"precisions": ["fp32"]}
    recipe = check_recipe(raw, "test")
    assert isinstance(recipe, Recipe)
    student, space = MobileBertClassifier(SHAPE, 2), Workspace(tmp_path / "out")
    student.mobilebert.encoder.layer[0].output.bottleneck.LayerNorm.weight.data[3] = scale
    save_student(student, tmp_path / "student")
    with space.locked():
        files = export_student(recipe, space, tmp_path / "student")
    assert list(model_files(files)) == ["model.onnx"]
    assert ("cannot be divided out" in capsys.readouterr().err) is heard
