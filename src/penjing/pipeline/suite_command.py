"""`penjing suite`: one table over data sets and detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..runtime.errors import RecipeError
from .extras import require
from .recipe_options import OutFolder, Overrides, RecipeName, load_with_folder
from .terminal import note, print_table, quiet_libraries


def suite(
    recipe: RecipeName,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="Data sets instead of the recipe's; .npz: X and y.")
    ] = None,
    detectors: Annotated[str | None, typer.Option(help="Kinds, with commas; the recipe's own if not given.")] = None,
    seeds: Annotated[str, typer.Option(help="With commas; each divides the data anew.")] = "1",
    metric: Annotated[Literal["auc_roc", "auc_pr"], typer.Option(help="What the table shows.")] = "auc_roc",
    overrides: Overrides = None,
    out: OutFolder = None,
) -> None:
    """Fits, exports, proves and judges every detector on every data set, and prints one table.

    Each is trained on the recipe's regime; max |z| and Mahalanobis stand first. All figures, of every file too, go to
    suite.json in the output folder.

    \b
    Examples:
      penjing suite breast-cancer --detectors nearest,isolation-forest,pca
      penjing suite adbench data/adbench/*.npz --detectors nearest,lof,k-means --seeds 1,2,3
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from .detection.sections import DetectorRecipe
    from .suite import run_suite, table
    from .text_files import write_json

    loaded, folder = load_with_folder(recipe, overrides, out)
    own = [loaded.detector.kind] if isinstance(loaded, DetectorRecipe) else []
    kinds = [word.strip() for word in detectors.split(",") if word.strip()] if detectors else own
    entries = run_suite(loaded, folder, files or [], kinds, _numbers(seeds))
    write_json(folder / "suite.json", [entry.to_json() for entry in entries])
    regime = loaded.data.regime if isinstance(loaded, DetectorRecipe) else ""
    note(f"{metric}, trained on {regime}, means over the seeds {seeds}; the rest is in {folder / 'suite.json'}")
    print_table(*table(entries, metric))
    for broken in sorted({f"{e.data}, {e.detector}: {sentence}" for e in entries for sentence in e.broken}):
        note(broken)


def _numbers(words: str) -> list[int]:
    parts = [word.strip() for word in words.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise RecipeError(f"--seeds {words!r} are no seeds: give whole numbers with commas, such as 1,2,3")
    return [int(part) for part in parts]
