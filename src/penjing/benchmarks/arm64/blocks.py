"""What the counting plugin wrote: sections of executed blocks, and which matrix kernels they are made of.

An int8 product of four pairs at once (SDOT and its kin) or of whole tiles (SMMLA and its kin) shows in the instructions
themselves, so nothing has to be asked of the engine. Left out: SVE's and SME's instructions, which no emulated core of
ours has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...runtime.errors import TargetError

Kernels = Literal["dotprod", "i8mm", "neither"]
WORD = 8
"""Hexadecimal digits of an instruction."""
DOTPROD = (
    (0x9FE0FC00, 0x0E809400),  # sdot, udot: vectors
    (0x9FC0F400, 0x0F80E000),  # sdot, udot: by element
)
I8MM = (
    (0xDFE0FC00, 0x4E80A400),  # smmla, ummla
    (0xFFE0FC00, 0x4E80AC00),  # usmmla
    (0xBFE0FC00, 0x0E809C00),  # usdot: vectors
    (0xBFC0F400, 0x0F80F000),  # usdot: by element
    (0xBFC0F400, 0x0F00F000),  # sudot: by element
)
"""Mask and value of an instruction."""
LEAST_SHARE = 1e-3
"""Of all instructions: fewer are somebody else's, not the model's kernels."""


@dataclass(frozen=True)
class Section:
    """What ran between two markers. `blocks`: instructions in hexadecimal -> how often they ran.

    Loads, stores and misses are 0 where the plugin did not look at memory.
    """

    instructions: int
    loads: int
    stores: int
    l1_misses: int
    l2_misses: int
    blocks: Mapping[str, int]


@dataclass(frozen=True)
class KernelUse:
    """Which int8 kernels were at work, and their instructions' share of all."""

    kernels: Kernels
    share: float


def read_sections(path: Path) -> tuple[Section, ...]:
    """The sections of the plugin's file. Raises TargetError when there is none, or it is broken."""
    try:
        parts = path.read_text(encoding="ascii").split("# ")[1:]
        sections = tuple(_section(part) for part in parts)
    except (OSError, ValueError, KeyError) as error:
        raise TargetError(f"the counting plugin left no counts ({type(error).__name__} {error}): run again") from None
    if not sections:
        raise TargetError("the counting plugin saw no markers: run `penjing target setup qemu`")
    return sections


def kernel_use(section: Section) -> KernelUse:
    """What int8 kernels the section ran, by its instructions."""
    dot, tiles = 0, 0
    for code, count in section.blocks.items():
        words = [int(code[i : i + WORD], 16) for i in range(0, len(code), WORD)]
        dot += count * sum(matches(word, DOTPROD) for word in words)
        tiles += count * sum(matches(word, I8MM) for word in words)
    share = (dot + tiles) / max(section.instructions, 1)
    if share < LEAST_SHARE:
        return KernelUse("neither", share)
    return KernelUse("i8mm" if tiles > dot else "dotprod", share)


def matches(word: int, patterns: tuple[tuple[int, int], ...]) -> bool:
    """Whether the instruction is one of these."""
    return any(word & mask == value for mask, value in patterns)


def _section(text: str) -> Section:
    head, *lines = text.splitlines()
    facts = {name: int(value) for name, value in (item.split("=") for item in head.split())}
    blocks = Counter[str]()
    for line in lines:
        _, count, code = line.split()
        if len(code) % WORD:
            raise ValueError(f"{len(code)} digits of code")
        blocks[code] += int(count)
    if sum(count * len(code) // WORD for code, count in blocks.items()) != facts["insns"]:
        raise ValueError("its blocks and its sum disagree")
    return Section(
        facts["insns"], facts["loads"], facts["stores"], facts["l1_misses"], facts["l2_misses"], dict(blocks)
    )
