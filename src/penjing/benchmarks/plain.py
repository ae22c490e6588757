"""Frozen dataclasses to JSON values and back.

Covers what our results are made of: nested dataclasses, tuples, mappings with text keys, optional values and plain
scalars. A number that is not finite becomes null, because JSON has no word for it. Left out: everything else.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """`value` as dicts, lists and scalars that `json.dumps(..., allow_nan=False)` accepts."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_plain(kind: type[T], raw: Any) -> T:
    """The dataclass `kind` that `to_plain` made `raw` of. Raises KeyError or TypeError on any other shape."""
    hints = get_type_hints(kind)
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(raw) - known:
        raise KeyError(f"{kind.__name__} has no {sorted(unknown)}")
    return kind(**{name: _value(hints[name], item) for name, item in raw.items()})


def _value(kind: Any, raw: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if raw is None else _value(next(a for a in arguments if a is not type(None)), raw)
    if is_dataclass(kind):
        return from_plain(kind, raw)  # type: ignore[arg-type]
    if origin is tuple:
        kinds = [arguments[0]] * len(raw) if arguments[-1] is Ellipsis else arguments
        return tuple(_value(kind, item) for kind, item in zip(kinds, raw, strict=True))
    if isinstance(raw, Mapping):
        return {key: _value(arguments[1], item) for key, item in raw.items()}
    if kind is float:
        return math.nan if raw is None else float(raw)
    if kind in (int, str, bool) and type(raw) is not kind:
        raise TypeError(f"{raw!r:.40} is no {kind.__name__}")
    return raw
