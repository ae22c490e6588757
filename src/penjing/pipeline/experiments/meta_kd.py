"""Meta-KD against plain distillation on reviews of four domains, seed by seed.

    python -m penjing.pipeline.experiments.meta_kd --out runs/meta_kd --to docs/results/meta_kd.json

Both sides have the same recipe (`amazon-domains`), texts and seeds, and two phases over layers and answers: `meta-kd`
with its meta-teacher, `tinybert` with a teacher fine-tuned on all domains alike. Part of each domain's training text
chooses the best epoch; the test text is for judging alone.
Every stage is kept under `--out`, so a killed experiment continues; with `--seeds`, an experiment of hours is made a
few seeds at a time, on any machine: differences are taken within seeds. Left out: TinyBERT's
distillation of a meta-teacher, and single-domain teachers, which the paper has, too.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ...compress.data import Split
from ...compress.domains import split_files
from ...compress.models.checkpoint import load_student
from ...compress.teacher import load_teacher
from ...compress.tokens import tokenize
from ...runtime.errors import PenjingError, RecipeError
from ..claims import make_claim, t_interval
from ..fit import train_student
from ..proof import torch_logits
from ..recipe import load_text_recipe, resolve_path
from ..run import make_sources
from ..sections import Recipe
from ..terminal import note
from ..text_files import read_json, read_split, write_json
from ..workspace import Workspace, file_digest

RECIPE, SEEDS = "amazon-domains", (1, 2, 3, 4, 5)
ARMS = {"meta": "meta-kd", "plain": "tinybert"}
Counts = dict[str, dict[str, list[int]]]
"""Right answers and texts, by "student" or "teacher" and then by domain."""


def main() -> None:
    """Reads the command line and publishes; bad input ends with one line and exit code 2."""
    parser = argparse.ArgumentParser(description="Meta-KD and plain distillation on four domains, with the claims.")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="others stay as --to has them")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="a.b=value")
    parser.add_argument("--out", type=Path, default=Path("runs/meta_kd"))
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    changed = "".join(f" --set {shlex.quote(override)}" for override in arguments.overrides)
    command = (
        f"python -m penjing.pipeline.experiments.meta_kd{changed}"
        f" --out {arguments.out.as_posix()} --to {arguments.to.as_posix()}"
    )
    try:
        recipe = load_text_recipe(RECIPE, tuple(arguments.overrides))
        publish(recipe, arguments.seeds, arguments.out, arguments.to, command)
    except PenjingError as error:
        note(str(error))
        raise SystemExit(2) from None


def publish(recipe: Recipe, seeds: Sequence[int], out: Path, target: Path, command: str) -> None:
    """Trains what is not trained yet and joins what `target` holds of other seeds; RecipeError: it is of another."""
    described = recipe.model_dump(mode="json", include={"task", "teacher", "student", "distill"})
    kept: dict[str, Any] = read_json(target) if target.is_file() else {"recipe": described, "counts": {}}
    if kept["recipe"] != described:
        raise RecipeError(f"{target} is of another recipe than {recipe.name!r} as it is now: move it away first")
    space, found = Workspace(out), dict[str, dict[str, Counts]](kept["counts"])
    with space.locked():
        runs = [(str(seed), arm) for seed in seeds for arm in ARMS]
        for seed, arm in tqdm(runs, desc="meta-kd", unit="student", disable=None):
            found.setdefault(seed, {})[arm] = counts_of(arm_recipe(recipe, arm, int(seed)), space)
    counts = {seed: found[seed] for seed in sorted(found, key=int)}
    target.parent.mkdir(parents=True, exist_ok=True)
    write_json(target, {
        "claims": [{**claim, "command": command} for claim in claims(list(counts.values()))],
        "recipe": described,
        "counts": counts,
    })  # fmt: skip


def arm_recipe(recipe: Recipe, arm: str, seed: int) -> Recipe:
    """The recipe of one side and seed: teacher and student both follow the seed."""
    distill = recipe.distill.model_copy(update={"method": ARMS[arm], "seed": seed})
    return recipe.model_copy(update={"seed": seed, "distill": distill})


def counts_of(recipe: Recipe, space: Workspace) -> Counts:
    """What the test text says of a student and its teacher, which are trained first if they are not yet."""

    def work(folder: Path) -> None:
        sources = make_sources(recipe, space)
        student = train_student(recipe, space, sources)
        test, names = read_split(sources.data / "test.jsonl"), read_json(sources.data / "data.json")["domains"]

        def judged(model: Any, tokenizer_folder: Path) -> dict[str, list[int]]:
            logits = torch_logits(model, tokenize(test.texts, tokenizer_folder, length, test.pairs))
            return right_by_domain(np.asarray(logits), test, names)

        length = recipe.task.max_length
        counts = {
            "student": judged(load_student(student), student),
            "teacher": judged(load_teacher(sources.teacher), sources.teacher),
        }
        write_json(folder / "counts.json", counts)
        shutil.rmtree(sources.outputs)  # gigabytes of attention that no other student learns from

    digests = [file_digest(resolve_path(file)) for file in split_files(recipe.data)]
    settings = {"recipe": recipe.model_dump(mode="json"), "digests": digests}
    counts: Counts = read_json(space.stage("counts", work, settings=settings) / "counts.json")
    return counts


def right_by_domain(logits: NDArray[np.float64], test: Split, names: Sequence[str]) -> dict[str, list[int]]:
    """Right answers and texts of each domain, from logits [texts, labels]."""
    right, homes = logits.argmax(1) == np.asarray(test.labels), np.asarray(test.domains)
    return {
        name: [int(right[homes == number].sum()), int((homes == number).sum())] for number, name in enumerate(names)
    }


def claims(found: Sequence[Mapping[str, Counts]]) -> Iterator[dict[str, Any]]:
    """Accuracies of each side, and the differences seed by seed, with 95% Student intervals over the seeds."""
    first = found[0]["meta"]["student"]
    sizes = {name: n for name, (_, n) in first.items()}
    total = sum(sizes.values())
    for side in ("student", "teacher"):
        shares = {arm: [accuracies(seed[arm][side]) for seed in found] for arm in ARMS}
        for name in (*sizes, "average"):
            n = sizes.get(name, total)
            own = {arm: [share[name] for share in shares[arm]] for arm in ARMS}
            for arm, values in own.items():
                yield _claim(f"{side}.{arm}.{name}", values, "accuracy", n)
            gains = [meta - plain for meta, plain in zip(own["meta"], own["plain"], strict=True)]
            yield _claim(f"{side}.difference.{name}", gains, "accuracy", n)


def accuracies(counts: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """The share of right answers in each domain, and their "average", which counts every domain alike."""
    shares = {name: right / n for name, (right, n) in counts.items()}
    return {**shares, "average": statistics.fmean(shares.values())}


def _claim(name: str, values: Sequence[float], unit: str, n: int) -> dict[str, Any]:
    return make_claim(f"meta_kd.{name}", statistics.fmean(values), unit, t_interval(values), n)


if __name__ == "__main__":
    main()
