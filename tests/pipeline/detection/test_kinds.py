"""What a recipe can say of a detector is what its fit takes, with the same defaults."""

from __future__ import annotations

import inspect
import typing
from typing import Any, Literal, get_args, get_origin

import pytest

from penjing.compress.models.dense_autoencoder import MLPERF_AD01
from penjing.pipeline.detection.fit import FITS
from penjing.pipeline.detection.kinds import AnyKind, DenseAutoencoder

KINDS = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyKind)[0])}


def choices(annotation: Any) -> set[Any]:
    """The words of a Literal; nothing for other types."""
    return set(get_args(annotation)) if get_origin(annotation) is Literal else set()


def test_every_kind_has_a_fit_and_every_fit_a_kind() -> None:
    assert set(KINDS) == set(FITS)


@pytest.mark.parametrize("name", sorted(FITS))
def test_options_of_a_recipe_are_those_of_the_fit(name: str) -> None:
    taken = inspect.signature(FITS[name]).parameters
    types = typing.get_type_hints(FITS[name])
    fields = {field: info for field, info in KINDS[name].model_fields.items() if field != "kind"}
    assert set(fields) == set(taken) - {"samples", "seed"}
    for field, info in fields.items():
        assert choices(info.annotation) == choices(types[field])
        assert info.is_required() == (taken[field].default is inspect.Parameter.empty)
        if not info.is_required():
            assert info.default == taken[field].default


def test_the_preset_is_mlperf_s_and_another_word_is_told_it() -> None:
    assert DenseAutoencoder.model_validate({"widths": "mlperf-tiny"}).widths == MLPERF_AD01.widths
    with pytest.raises(
        ValueError, match=r"'mlperf' is no preset: give widths such as \[8, 4, 8\], or one of mlperf-tiny"
    ):
        DenseAutoencoder.model_validate({"widths": "mlperf"})
