"""The stage that proves: every exported file against the torch detector, each with a threshold of its own.

A file sees held-out samples one at a time, as on a device. An fp32 file must give the same scores; an int8 file the
same ranks, and after its own calibration the same decisions. Left out: how good the detector is (`judge.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tqdm import tqdm

from ...compress.samples import SampleSet
from ...export.verify import wilson_interval
from ...runtime.calibration import Threshold, calibrate
from ...runtime.detector import INPUT, OUTPUT
from ...runtime.engine import open_engine
from ..ship import model_files
from ..text_files import read_json, write_json
from ..workspace import Workspace
from .samples import read_part
from .sections import Alarms, DetectorLimits, DetectorRecipe

TORCH = "torch"
"""Stands where a file's name does in what is said of the torch detector itself."""
HELD_OUT = ("calibrate", "test")
"""The parts that no fit sees."""
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class FileProof:
    """What one file did on the held-out samples.

    `difference` is the largest of any score from the torch detector's, as a share of that score or, where it is larger,
    of the usual spread of normal scores; `rank` is Spearman's correlation of the two; `flips` of `normals` samples are
    decided otherwise, each by its own threshold, `flip_low`..`flip_high` is the 95% interval of their share.
    """

    file: str
    n: int
    difference: float
    rank: float
    normals: int
    flips: int
    flip_low: float
    flip_high: float


@dataclass(frozen=True)
class Proof:
    """`thresholds` by file, the torch detector's under TORCH; `broken` are the sentences of limits that were broken."""

    files: tuple[FileProof, ...]
    thresholds: Mapping[str, Threshold]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Made:
    """The folders of the stages up to the proof."""

    data: Path
    fitted: Path
    files: Path
    proof: Path

    @property
    def broken(self) -> tuple[str, ...]:
        """The sentences of the limits that a file broke."""
        return read_proof(self.proof).broken


def prove_detector(recipe: DetectorRecipe, space: Workspace, data: Path, fitted: Path, files: Path) -> Path:
    """`proof.json`, and `scores.npz`: what every file says of the calibration and test samples."""

    def work(folder: Path) -> None:
        calibrate, test = read_part(data, "calibrate"), read_part(data, "test")
        with np.load(fitted / "reference.npz", allow_pickle=False) as arrays:
            scores: dict[str, Sequence[Scores]] = {TORCH: [arrays[part] for part in HELD_OUT]}
        for name, path in model_files(files).items():
            scores[name] = [score_one_by_one(path, part.rows) for part in (calibrate, test)]
        thresholds = {name: calibrated(recipe.alarms, found[0], calibrate) for name, found in scores.items()}
        proofs = [
            compare(name, scores[name][1], scores[TORCH][1], test.normal, thresholds[name], thresholds[TORCH])
            for name in scores
            if name != TORCH
        ]
        broken = [sentence for proof in proofs for sentence in broken_limits(proof, recipe.limits)]
        write_scores(scores, folder)
        write_json(folder / "proof.json", {
            "files": [asdict(proof) for proof in proofs],
            "thresholds": {name: threshold.to_plain() for name, threshold in thresholds.items()},
            "broken": broken,
        })  # fmt: skip

    settings = {"limits": recipe.limits.model_dump(), "alarms": recipe.alarms.model_dump()}
    return space.stage("detector-proof", work, inputs=[data, fitted, files], settings=settings)


def read_proof(folder: Path) -> Proof:
    """What `prove_detector` found."""
    raw = read_json(folder / "proof.json")
    thresholds = {name: Threshold.from_plain(plain) for name, plain in raw["thresholds"].items()}
    return Proof(tuple(FileProof(**entry) for entry in raw["files"]), thresholds, tuple(raw["broken"]))


def write_scores(scores: Mapping[str, Sequence[Scores]], folder: Path) -> None:
    """Writes `scores.npz`: of each name, the scores of the parts HELD_OUT."""
    kept: dict[str, Any] = {
        f"{name}:{part}": scored for name, found in scores.items() for part, scored in zip(HELD_OUT, found, strict=True)
    }
    np.savez(folder / "scores.npz", **kept)


def read_scores(folder: Path, part: str) -> dict[str, Scores]:
    """Scores [n] of a part by file, the torch detector's under TORCH, or by baseline."""
    with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
        return {name.rsplit(":", 1)[0]: arrays[name] for name in arrays.files if name.endswith(f":{part}")}


def score_one_by_one(path: Path, samples: NDArray[Any]) -> Scores:
    """[n] scores of a model file. A dynamic int8 file takes one scale for a whole batch, so neighbours would matter."""
    engine = open_engine(path, path.suffix.lstrip("."))
    rows = samples.astype(np.float32)
    bar = tqdm(range(len(rows)), f"prove {path.name}", unit="sample", disable=None)
    return np.array([engine.run({INPUT: rows[i : i + 1]})[OUTPUT].flat[0] for i in bar], np.float64)


def calibrated(alarms: Alarms, scores: Scores, part: SampleSet) -> Threshold:
    """The threshold by the recipe's method. Raises DataError where there are too few rows, or labels of one kind."""
    return calibrate(alarms.method, scores, ~part.normal, alarms.false_alarms)


def compare(
    file: str, scores: Scores, reference: Scores, normal: NDArray[np.bool_], own: Threshold, torchs: Threshold
) -> FileProof:
    """The proof from scores [n] of the file and of the torch detector, and which samples are normal."""
    flips = int(((scores > own.threshold) != (reference > torchs.threshold))[normal].sum())
    normals = int(normal.sum())
    constant = np.ptp(reference) == 0 or np.ptp(scores) == 0
    rank = 1.0 if np.array_equal(scores, reference) else 0.0 if constant else float(spearmanr(scores, reference)[0])
    low, high = wilson_interval(flips, normals)
    return FileProof(
        file,
        len(scores),
        float((np.abs(scores - reference) / torchs.scales(reference)).max()),
        rank,
        normals,
        flips,
        low,
        high,
    )


def broken_limits(proof: FileProof, limits: DetectorLimits) -> list[str]:
    """One sentence for every limit that the file breaks."""
    found, share = [], proof.flips / proof.normals
    if ".int8." not in proof.file and not proof.difference <= limits.score_difference:
        found.append(
            f"{proof.file}: a score differs by {proof.difference:.2g} of itself from the torch detector's, which"
            f" exceeds limits.score_difference {limits.score_difference:g}"
        )
    if not proof.rank >= limits.rank:
        found.append(f"{proof.file}: rank correlation {proof.rank:.4f} is below limits.rank {limits.rank:g}")
    if share > limits.flips:
        found.append(
            f"{proof.file}: flips {share:.2%} of {proof.normals} normal samples (95% interval {proof.flip_low:.2%} to"
            f" {proof.flip_high:.2%}) exceed limits.flips {limits.flips:.2%}"
        )
    return found
