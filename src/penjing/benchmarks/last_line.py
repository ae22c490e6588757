"""What a program's own words end with: most say there why they failed. Left out: what to do about it."""

from __future__ import annotations

LONGEST = 300


def last_line(words: str, longest: int = LONGEST) -> str:
    """The last line that says something, cut at so many characters."""
    return ([line.strip() for line in words.splitlines() if line.strip()] or ["no reason given"])[-1][:longest]
