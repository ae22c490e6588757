"""Modelled cycles: the hot blocks of a section through llvm-mca's tables of a core.

Only what the core's pipes need with all data at hand: no cache misses, no branch mispredictions, no other block before
or after. Never checked against silicon, and said to be so wherever it is printed. Left out: blocks that hardly run;
their share is taken to cost what the others do.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

from ...runtime.errors import TargetError
from .blocks import WORD, Section

COVERED = 0.98
ITERATIONS = 100
FEATURES = "+v8.6a,+fullfp16,+dotprod,+i8mm,+bf16"
BREAK = "d5032fdf"
"""hint #126, which no compiler writes: stands between two blocks."""
UNMODELLED = re.compile(
    r"(ret|bl|blr|br|svc|mrs|msr|ldadd|swp|cas|ldset|ldclr|stadd|prfm|hint|dmb|ldax|stlx|dc|paci|auti|bti)(?!\.)"
)
"""What some tables refuse, and what does nothing: a nop in its place."""
TOOL_SECONDS = 300


def model_cycles(sections: Sequence[Section], model: str) -> list[float]:
    """Cycles of each whole section on llvm-mca's `model`. Raises TargetError when its tools fail."""
    chosen = [hot_blocks(section) for section in sections]
    blocks = list(dict.fromkeys(code for hot, _ in chosen for code in hot))
    cycles = dict(zip(blocks, _throughputs(_disassemble(blocks), model), strict=True))
    return [
        sum(section.blocks[code] * cycles[code] for code in hot) / share
        for section, (hot, share) in zip(sections, chosen, strict=True)
    ]


def hot_blocks(section: Section) -> tuple[list[str], float]:
    """The blocks that make up 98% of the instructions, most first, and the exact share that they make up."""
    weights = {code: count * len(code) // WORD for code, count in section.blocks.items()}
    chosen, covered = list[str](), 0
    for code in sorted(weights, key=lambda code: (-weights[code], code)):
        chosen.append(code)
        covered += weights[code]
        if covered >= COVERED * section.instructions:
            break
    return chosen, covered / section.instructions


def _disassemble(blocks: Sequence[str]) -> list[list[str]]:
    words = [code[i : i + WORD] for block in blocks for code in (block + BREAK,) for i in range(0, len(code), WORD)]
    bytes_ = " ".join(f"0x{byte:02x}" for word in words for byte in int(word, 16).to_bytes(4, "little"))
    out = _tool(["llvm-mc-19", "--disassemble", "-triple=aarch64", f"-mattr={FEATURES}"], bytes_)
    texts: list[list[str]] = [[]]
    for line in (line.strip() for line in out.splitlines()):
        if line.startswith("hint") and "#126" in line:
            texts.append([])
        elif line and not line.startswith("."):
            texts[-1].append("nop" if UNMODELLED.match(line) else line)
    return texts[:-1]


def _throughputs(texts: Sequence[Sequence[str]], model: str) -> list[float]:
    """Cycles of each block when it runs again and again."""
    source = "".join(
        f"# LLVM-MCA-BEGIN b{i}\n{chr(10).join(text) or 'nop'}\n# LLVM-MCA-END\n" for i, text in enumerate(texts)
    )
    command = [
        "llvm-mca-19", "-mtriple=aarch64", f"-mcpu={model}", f"-mattr={FEATURES}", f"-iterations={ITERATIONS}",
        "-json", "-resource-pressure=false", "-instruction-info=false",
    ]  # fmt: skip
    found: dict[str, Any] = {region["Name"]: region for region in json.loads(_tool(command, source))["CodeRegions"]}
    views = (found[f"b{i}"]["SummaryView"] for i in range(len(texts)))
    return [view["TotalCycles"] / view["Iterations"] for view in views]


def _tool(command: Sequence[str], text: str) -> str:
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, errors="replace", check=False, timeout=TOOL_SECONDS
    )
    if done.returncode:
        line = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise TargetError(f"{command[0]} cannot model the code ({line.strip()[:200]}): report this")
    return done.stdout
