"""What the counting plugin wrote, and which kernels show in it: hand-made words, and LLVM's encodings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from penjing.benchmarks.arm64.blocks import DOTPROD, I8MM, Section, kernel_use, matches, read_sections
from penjing.runtime.errors import TargetError

SDOT, SMMLA, FMLA, NOP = "4e829420", "4e82a420", "4e22cc20", "d503201f"
HEAD = "# insns={} loads=5 stores=3 load_bytes=40 store_bytes=24 l1_misses=2 l2_misses=1\n"
DOT_TEXTS = ("sdot v0.4s, v1.16b, v2.16b", "udot v3.2s, v4.8b, v31.8b", "sdot v0.4s, v1.16b, v2.4b[3]",
    "udot v9.2s, v8.8b, v17.4b[1]")  # fmt: skip
TILE_TEXTS = ("smmla v0.4s, v1.16b, v2.16b", "ummla v30.4s, v1.16b, v2.16b", "usmmla v0.4s, v9.16b, v2.16b",
    "usdot v0.4s, v1.16b, v2.16b", "usdot v0.2s, v1.8b, v2.4b[1]", "sudot v0.4s, v1.16b, v2.4b[2]")  # fmt: skip
OTHER_TEXTS = ("fmla v0.4s, v1.4s, v2.4s", "fmla v0.4s, v1.4s, v2.s[1]", "smlal v0.4s, v1.4h, v2.4h", "add x0, x1, x2",
    "smull v0.8h, v1.8b, v2.8b", "bfdot v0.4s, v1.8h, v2.8h", "bfmmla v0.4s, v1.8h, v2.8h", "mul v0.4s, v1.4s, v2.4s",
    "ld1 {v0.4s}, [x1]", "fmlal v0.4s, v1.4h, v2.4h", "sqrdmlah v0.4s, v1.4s, v2.4s", "fcmla v0.4s, v1.4s, v2.4s, #90",
    "ldr q0, [x1, #16]", "mla v0.8h, v1.8h, v2.8h", "sadalp v0.4s, v1.8h", "ret", "dup v0.4s, w1")  # fmt: skip


def section(blocks: dict[str, int]) -> Section:
    return Section(sum(n * len(code) // 8 for code, n in blocks.items()), 0, 0, 0, 0, blocks)


def write(folder: Path, text: str) -> Path:
    (folder / "counts").write_text(text)
    return folder / "counts"


def test_sections_are_read_and_equal_blocks_are_one(tmp_path: Path) -> None:
    text = HEAD.format(6) + f"40 2 {NOP}{FMLA}\n80 1 {NOP}\n90 1 {NOP}\n" + HEAD.format(0)
    first, second = read_sections(write(tmp_path, text))
    assert first == Section(6, 5, 3, 2, 1, {NOP + FMLA: 2, NOP: 2})
    assert (second.instructions, second.blocks) == (0, {})


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "# insns=1", HEAD.format(7) + f"40 2 {NOP}\n", HEAD.format(1) + "40 1 d5\n",
        HEAD.format(1) + "40\n", HEAD.format(1) + f"40 x {NOP}\n", "# \n", "\xff",
    ],
)  # fmt: skip
def test_what_is_no_count_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(TargetError, match="counting plugin") as error:
        read_sections(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_no_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="left no counts"):
        read_sections(tmp_path / "none")


@pytest.mark.parametrize(
    ("blocks", "kernels", "share"),
    [
        ({NOP: 1000}, "neither", 0.0),
        ({NOP + SDOT: 500}, "dotprod", 0.5),
        ({NOP + SMMLA: 100, NOP: 200}, "i8mm", 0.25),
        ({SMMLA: 300, SDOT: 100}, "i8mm", 1.0),
        ({NOP * 2000 + SDOT: 1}, "neither", 1 / 2001),
        ({}, "neither", 0.0),
    ],
)
def test_the_kernels_are_those_whose_instructions_ran(blocks: dict[str, int], kernels: str, share: float) -> None:
    use = kernel_use(section(blocks))
    assert (use.kernels, use.share) == (kernels, pytest.approx(share))


@pytest.mark.skipif(not shutil.which("llvm-mc-19"), reason="no llvm-mc-19")
def test_words_are_recognized_as_llvm_encodes_them() -> None:
    texts = [*DOT_TEXTS, *TILE_TEXTS, *OTHER_TEXTS]
    command = ["llvm-mc-19", "-triple=aarch64", "-mattr=+v8.6a,+fullfp16,+fp16fml,+i8mm,+bf16,+rdm", "--show-encoding"]
    done = subprocess.run(command, input="\n".join(texts), capture_output=True, text=True, check=True)
    encoded = re.findall(r"encoding: \[(.*?)\]", done.stdout)
    words = [int.from_bytes(bytes(int(byte, 16) for byte in one.split(",")), "little") for one in encoded]
    assert len(words) == len(texts)
    found = [("dotprod" if matches(word, DOTPROD) else "i8mm" if matches(word, I8MM) else "neither") for word in words]
    wanted = ["dotprod"] * len(DOT_TEXTS) + ["i8mm"] * len(TILE_TEXTS) + ["neither"] * len(OTHER_TEXTS)
    assert dict(zip(texts, found, strict=True)) == dict(zip(texts, wanted, strict=True))
