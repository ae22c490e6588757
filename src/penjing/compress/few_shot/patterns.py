"""Patterns of prompts, as a recipe writes them: `It was {mask}. {text}`. Left out: tokens (`prompts.py`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEXT, MASK, PROMPT = "{text}", "{mask}", "{prompt}"
_PART = re.compile(r"(\{[^{}]*\})")


@dataclass(frozen=True)
class Pattern:
    """`parts` are TEXT and MASK, each once, PROMPT (a vector that is learnt), and words as they stand."""

    parts: tuple[str, ...]

    @property
    def prompts(self) -> int:
        """How many vectors are learnt."""
        return self.parts.count(PROMPT)


def read_pattern(pattern: str) -> Pattern:
    """Raises ValueError that says what the pattern lacks."""
    parts = tuple(part.strip() for part in _PART.split(pattern) if part.strip())
    for name in (TEXT, MASK):
        if parts.count(name) != 1:
            raise ValueError(f"the pattern {pattern!r} has {name} {parts.count(name)} times: write it once")
    unknown = [part for part in parts if "{" in part or "}" in part if part not in (TEXT, MASK, PROMPT)]
    if unknown:
        raise ValueError(f"the pattern {pattern!r} has {unknown[0]!r}: choose of {TEXT}, {MASK}, {PROMPT} and words")
    return Pattern(parts)
