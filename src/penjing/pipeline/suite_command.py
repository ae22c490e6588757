"""`penjing suite`: cells of a suite file side by side, or one table over data sets and detectors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..runtime.errors import RecipeError, TrainingError
from .extras import require
from .recipe_options import OutFolder, Overrides, load_with_folder
from .terminal import note, print_facts, print_table, quiet_libraries

if TYPE_CHECKING:
    from .suite.runners import Runner


def suite(
    recipe: Annotated[
        str, typer.Argument(metavar="SUITE.yaml|RECIPE", help="A suite file, or a detector's recipe by name or file.")
    ],
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Data sets instead of the recipe's; .npz: X and y.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Make so many cells of a suite file at a time.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="auto|ADDRESS", help="Make the cells on a Ray cluster, such as head:6379.")
    ] = None,
    detectors: Annotated[
        str | None, typer.Option(help="Kinds, with commas; the recipe's own if not given. With a recipe.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="With commas, 1 if not given; each divides the data anew. With a recipe.")
    ] = None,
    metric: Annotated[
        Literal["auc_roc", "auc_pr"] | None, typer.Option(help="What a recipe's table shows; auc_roc if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value instead of the table.")] = False,
    overrides: Overrides = None,
    out: OutFolder = None,
) -> None:
    """Compares recipes: a suite file's cells with several seeds, or a recipe's data with many detectors.

    Of a suite file every cell becomes a bundle; teachers and caches are made once. Then all are timed side by side and
    compared with the baseline: suite.html and suite.json in the output folder. A suite that was stopped continues, and
    a cell that fails does not stop the rest. On a cluster every machine must see the same folders.

    Of a detector's recipe the table has a row a data set and a column a detector; max |z| and Mahalanobis stand first.
    All figures, of every file too, go to suite.json.

    \b
    Examples:
      penjing suite methods.yaml
      penjing suite methods.yaml --workers 2 --out runs/methods
      penjing suite methods.yaml --ray auto
      penjing suite breast-cancer --detectors nearest,isolation-forest,pca
      penjing suite adbench data/adbench/*.npz --detectors nearest,lof,k-means --seeds 1,2,3
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from .suite.file import is_suite_file

    if is_suite_file(recipe):
        told = {"FILE": files, "--detectors": detectors, "--seeds": seeds, "--metric": metric, "--set": overrides}
        _refuse(told, f"{recipe} is a suite file, which says itself what is compared")
        _compare_cells(Path(recipe), out, workers, ray, as_json)
    else:
        _refuse({"--workers": workers, "--ray": ray}, f"{recipe} is a recipe: only cells of a suite file run so")
        _compare_detectors(recipe, files or [], detectors, seeds or "1", metric or "auc_roc", overrides, out, as_json)


def _compare_cells(path: Path, out: Path | None, workers: int | None, ray: str | None, as_json: bool) -> None:
    from .suite.file import load_suite
    from .suite.page import PAGE_NAME, headline, suite_table
    from .suite.run import check_parallel, run_suite

    loaded = load_suite(path)
    if workers or ray:
        check_parallel(loaded)
    folder = out or Path("runs") / loaded.file.name
    found = run_suite(loaded, folder, _runner(workers, ray))
    table = suite_table(found)
    if as_json:
        print(json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False))
    else:
        print_table(table.columns, table.rows)
        print()
        print_facts([("found", headline(found)), ("suite", str(folder / PAGE_NAME))])
    if found.failures:
        failed = ", ".join(f"{result.cell} seed {result.seed}" for result in found.failures)
        raise TrainingError(
            f"{len(found.failures)} of {len(found.results)} cells failed: {failed}; see"
            f" {folder / PAGE_NAME}, and run the suite again to try them again"
        )


def _runner(workers: int | None, ray: str | None) -> Runner:
    from .suite.runners import on_processes, one_by_one

    if ray is not None:
        if workers is not None:
            raise RecipeError("--workers and --ray: cells run here or on the cluster: leave one of them out")
        from .suite.on_ray import on_ray

        return partial(on_ray, address=ray)
    return one_by_one if workers in (None, 1) else partial(on_processes, workers=workers)


def _compare_detectors(
    recipe: str, files: list[Path], detectors: str | None, seeds: str, metric: Literal["auc_roc", "auc_pr"],
    overrides: list[str] | None, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from .detection.sections import DetectorRecipe
    from .detection.suite import run_suite, table
    from .text_files import write_json

    loaded, folder = load_with_folder(recipe, overrides, out)
    own = [loaded.detector.kind] if isinstance(loaded, DetectorRecipe) else []
    kinds = [word.strip() for word in detectors.split(",") if word.strip()] if detectors else own
    entries = run_suite(loaded, folder, files, kinds, _numbers(seeds))
    plain = [entry.to_json() for entry in entries]
    write_json(folder / "suite.json", plain)
    if as_json:
        print(json.dumps(plain, ensure_ascii=False))
        return
    regime = loaded.data.regime if isinstance(loaded, DetectorRecipe) else ""
    note(f"{metric}, trained on {regime}, means over the seeds {seeds}; the rest is in {folder / 'suite.json'}")
    print_table(*table(entries, metric))
    for broken in sorted({f"{e.data}, {e.detector}: {sentence}" for e in entries for sentence in e.broken}):
        note(broken)


def _refuse(given: Mapping[str, Any], why: str) -> None:
    """Raises RecipeError for what belongs to the other form."""
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise RecipeError(f"{why}: leave {', '.join(wrong)} out")


def _numbers(words: str) -> list[int]:
    parts = [word.strip() for word in words.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise RecipeError(f"--seeds {words!r} are no seeds: give whole numbers with commas, such as 1,2,3")
    return [int(part) for part in parts]
