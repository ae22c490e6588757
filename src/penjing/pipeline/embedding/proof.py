"""The stages that prove: every exported file's vectors against its torch model's on all held-out pairs.

A vector decides by what is nearest to it: of each pair's first text, the nearest of the split's other texts. A flip is
another nearest text than by the torch model's vectors. The metric is Spearman's rank correlation of cosines and scores
that people gave. Left out: where a file goes wrong first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ...compress.embedding.measures import (
    Vectors,
    alignment,
    cosines,
    nearest_of,
    spearman,
    spearman_interval,
    uniformity,
)
from ...compress.embedding.student import SentenceStudent
from ...compress.embedding.teacher import embed_texts, read_sentence_encoder
from ...compress.embedding.texts import ScoredPair
from ...compress.models.checkpoint import load_student
from ...compress.tokens import tokenize
from ...export.verify import FileProof, check_limits, token_counts, wilson_interval
from ...runtime.embedder import OUTPUT, truncate
from ...runtime.engine import open_engine
from ...runtime.tokenizer import Encoded, TextTokenizer
from ..proof import TORCH
from ..ship import model_files
from ..text_files import read_json, write_json
from ..workspace import Workspace
from .fit import read_split, splits_of
from .sections import EmbeddingLimits, EmbeddingRecipe


@dataclass(frozen=True, kw_only=True)
class VectorProof(FileProof):
    """What one file did on the `n` pairs of a split; `cosine` is the least of a text's vector and the torch model's."""

    cosine: float = 1.0


@dataclass(frozen=True)
class Spread:
    """Of a torch model's vectors on the validation pairs: `alignment` of those that mean the same (None: there are
    none), and `uniformity` of all texts; both lower is better."""

    alignment: float | None
    uniformity: float


@dataclass(frozen=True)
class Proof:
    """What was proven of one model. `files` has one entry a file and split, `torch` one a split.

    `neighbours` are, by file or TORCH, the numbers of the nearest texts on the validation pairs. `broken` are the
    sentences of limits that a file broke.
    """

    files: tuple[VectorProof, ...]
    torch: tuple[VectorProof, ...]
    neighbours: Mapping[str, tuple[int, ...]]
    spread: Spread
    broken: tuple[str, ...]

    def on(self, split: str) -> VectorProof:
        """The torch model's own row of a split."""
        return next(proof for proof in self.torch if proof.split == split)


@dataclass(frozen=True)
class Made:
    """The folders of the stages up to the proof, and what was proven of student and teacher."""

    data: Path
    teacher: Path
    student: Path
    files: Path
    teacher_files: Path
    proof: Proof
    teacher_proof: Proof

    @property
    def broken(self) -> tuple[str, ...]:
        """The sentences of the limits that a file broke."""
        return self.proof.broken


def prove_encoder(recipe: EmbeddingRecipe, space: Workspace, data: Path, teacher: Path, files: Path) -> Proof:
    """The teacher's files, once for all students; nothing is asked of them."""

    def work(folder: Path) -> None:
        _write(recipe, data, teacher, read_sentence_encoder(teacher), files, folder)

    settings = {"max_length": recipe.task.max_length, "alike": recipe.data.alike}
    return read_proof(space.stage("encoder-proof", work, inputs=[data, teacher, files], settings=settings))


def prove_sentence_student(recipe: EmbeddingRecipe, space: Workspace, data: Path, student: Path, files: Path) -> Proof:
    """The student's files, and which limits they break on the validation pairs."""

    def work(folder: Path) -> None:
        _write(recipe, data, student, load_sentence_student(student), files, folder, recipe.limits)

    settings = {
        "limits": recipe.limits.model_dump(), "max_length": recipe.task.max_length, "alike": recipe.data.alike
    }  # fmt: skip
    return read_proof(space.stage("sentence-proof", work, inputs=[data, student, files], settings=settings))


def load_sentence_student(folder: Path) -> SentenceStudent:
    """What `train_sentence_student` saved, in eval mode."""
    return SentenceStudent(load_student(folder)).eval()


def read_proof(folder: Path) -> Proof:
    """What a stage proved."""
    raw = read_json(folder / "proof.json")
    proofs = [VectorProof(**entry) for entry in raw["proofs"]]
    return Proof(
        files=tuple(p for p in proofs if p.file != TORCH),
        torch=tuple(p for p in proofs if p.file == TORCH),
        neighbours={name: tuple(found) for name, found in raw["neighbours"].items()},
        spread=Spread(**raw["spread"]),
        broken=tuple(raw["broken"]),
    )


def compare_vectors(
    vectors: NDArray[Any], reference: Vectors, places: NDArray[np.int64], scores: Vectors, *,
    file: str, split: str, seed: int,
) -> tuple[VectorProof, NDArray[np.int64]]:  # fmt: skip
    """The proof from vectors [texts, size] of the file and of its torch model, and the nearest texts [n].

    `places` [n, 2] are the numbers of each pair's texts, `scores` [n] what people say. A text whose vector is not of
    numbers counts as a vector of zeros, and as a flip.
    """
    n, finite = len(places), np.isfinite(vectors).all(axis=1)
    found = np.where(finite[:, None], vectors, 0.0)
    first, second = places.T
    nearest, taught = (nearest_of(rows[first], rows, first) for rows in (found, reference))
    flips = int(((nearest != taught) | ~finite[first]).sum())
    alike = cosines(found[first], found[second])
    low, high = spearman_interval(alike, scores, seed)
    flip_low, flip_high = wilson_interval(flips, n)
    proof = VectorProof(
        file=file, metric="spearman", split=split, n=n, value=spearman(alike, scores), low=low, high=high,
        flips=flips, flip_low=flip_low, flip_high=flip_high,
        logit_difference=float(np.abs(found - reference)[finite].max(initial=0.0)),
        reference_value=spearman(cosines(reference[first], reference[second]), scores),
        not_numbers=int((~finite).sum()), cosine=float(cosines(found, reference)[finite].min(initial=1.0)),
    )  # fmt: skip
    return proof, nearest


def broken_limits(proof: VectorProof, limits: EmbeddingLimits) -> list[str]:
    """One sentence for every limit that the file breaks."""
    found = check_limits([proof], limits)
    if proof.cosine < limits.cosine:
        found.append(
            f"{proof.file}: a vector has a cosine of {proof.cosine:.4f} with the torch student's, which is below"
            f" limits.cosine {limits.cosine:g}"
        )
    return found


def embed_with_file(path: Path, texts: Encoded) -> NDArray[np.float32]:
    """Vectors [texts, size] of length 1 of a model file, one text at a time, as on a device."""
    engine, rows = open_engine(path, path.suffix.lstrip(".")), []
    bar = tqdm(token_counts(texts).tolist(), f"prove {path.name}", unit="text", disable=None)
    for row, tokens in enumerate(bar):
        rows.append(engine.run({name: array[row : row + 1, :tokens] for name, array in texts.inputs.items()})[OUTPUT])
    vectors = np.concatenate(rows)
    return truncate(vectors, vectors.shape[1])


def distinct_texts(pairs: Sequence[ScoredPair]) -> tuple[list[str], NDArray[np.int64]]:
    """Every text once, and the numbers [n, 2] of each pair's."""
    numbers = {text: i for i, text in enumerate(dict.fromkeys(t for p in pairs for t in (p.first, p.second)))}
    return list(numbers), np.array([(numbers[pair.first], numbers[pair.second]) for pair in pairs])


def _write(
    recipe: EmbeddingRecipe, data: Path, tokenizer_folder: Path, model: Any, files: Path, folder: Path,
    limits: EmbeddingLimits | None = None,
) -> None:  # fmt: skip
    """`proof.json` of the torch model and its files on every split."""
    length, tokenizer = recipe.task.max_length, TextTokenizer(tokenizer_folder, recipe.task.max_length)
    proofs, neighbours, spread = list[VectorProof](), dict[str, list[int]](), None
    for split in splits_of(data):
        pairs = read_split(data, split)
        (texts, places), scores = distinct_texts(pairs), np.array([pair.score for pair in pairs])
        reference = embed_texts(model, tokenize(texts, tokenizer_folder, length)).astype(np.float64)
        spread = spread or _spread(reference, places, scores > recipe.data.alike)
        encoded, vectors = tokenizer.encode(texts), dict[str, NDArray[Any]]({TORCH: reference})
        vectors.update((name, embed_with_file(path, encoded)) for name, path in model_files(files).items())
        for name, found in vectors.items():
            proof, nearest = compare_vectors(found, reference, places, scores, file=name, split=split, seed=recipe.seed)
            proofs.append(proof)
            neighbours.setdefault(name, nearest.tolist())
    checked = [p for p in proofs if p.split == "validation" and p.file != TORCH] if limits else []
    broken = [sentence for p in checked for sentence in broken_limits(p, limits or recipe.limits)]
    write_json(folder / "proof.json", {
        "proofs": [asdict(proof) for proof in proofs], "neighbours": neighbours,
        "spread": asdict(spread or Spread(None, 0.0)), "broken": broken,
    })  # fmt: skip


def _spread(vectors: Vectors, places: NDArray[np.int64], alike: NDArray[np.bool_]) -> Spread:
    first, second = places[alike].T
    return Spread(alignment(vectors[first], vectors[second]) if alike.any() else None, uniformity(vectors))
