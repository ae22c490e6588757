"""`penjing prune`: shows what a recipe's cut would do before anything is cut, and compares cuts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..runtime.errors import PruningError
from .extras import require
from .recipe_options import OutFolder, Overrides, RecipeName, load_text_with_folder
from .terminal import print_facts, print_table, quiet_libraries

prune_app = typer.Typer(help="See a cut before it is made, and compare cuts.", rich_markup_mode=None)


@prune_app.callback()
def prune() -> None:
    """See a cut before it is made, and compare cuts."""


@prune_app.command("plan")
def plan(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: OutFolder = None,
) -> None:
    """Shows the plan of the first round: layer by layer what stays, and what the cut saves. Nothing is cut.

    The stages before the plan run first, unless they are done; `penjing run` continues from there.

    \b
    Examples:
      penjing prune plan sst2-cut
      penjing prune plan my_recipe.yaml --set prune.budget.parameters=3e6
      penjing prune plan my_recipe.yaml --set "prune.budget={latency_ms: 4.5}"
    """
    require("compress", "export")
    quiet_libraries()
    from ..compress.prune.table import COLUMNS
    from .prune import SUMMARY_NAME
    from .run import plan_first_round
    from .text_files import read_json

    folder = plan_first_round(*load_text_with_folder(recipe, overrides, out))
    summary = read_json(folder / SUMMARY_NAME)
    rows = summary["rows"]
    shown = COLUMNS if rows[-1][-1] else COLUMNS[:-1]  # milliseconds are known where there is a latency table
    print_table(shown, [row[: len(shown)] for row in rows])
    print()
    print_facts([*_facts(summary), ("plan", str(folder / "plan.json"))])


@prune_app.command("compare")
def compare(
    recipe: RecipeName,
    methods: Annotated[
        str, typer.Option(help="Of fisher, sensitivity, depth, widths; with commas.")
    ] = "fisher,sensitivity",
    rates: Annotated[str, typer.Option(help="Shares of the MACs to cut, from 0 to less than 1.")] = "0.3,0.5,0.7",
    recover: Annotated[bool, typer.Option("--recover", help="Train each too, as prune.recovery says.")] = False,
    overrides: Overrides = None,
    out: OutFolder = None,
) -> None:
    """Cuts the recipe's student by several methods and rates, without training, and shows what is left of it.

    Accuracy, parameters, MACs, bytes and latency of each, beside the uncut model, in compare.html, compare.svg and
    compare.json (raw samples too). What was made is kept: a comparison that was stopped continues.

    \b
    Examples:
      penjing prune compare sst2-cut
      penjing prune compare sst2-cut --methods fisher,depth,widths --rates 0.25,0.5
      penjing prune compare my_recipe.yaml --recover --out runs/compared
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from .compare_cuts import compare_cuts
    from .report.comparison_page import comparison_table, write_comparison
    from .workspace import is_first_process

    loaded, folder = load_text_with_folder(recipe, overrides, out)
    found = compare_cuts(loaded, folder, _words(methods), [_rate(word) for word in _words(rates)], recover)
    if is_first_process():
        write_comparison(folder, found)
        table = comparison_table(found)
        print_table(table.columns, table.rows)
        print()
        print_facts([("comparison", str(folder / "compare.html"))])


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",") if word.strip()]


def _rate(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise PruningError(f"the rate {word!r} is no number: give shares with commas, such as 0.3,0.5") from None


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What was asked, and every cost before and after."""
    pairs = [(name, before, summary["predicted"][name]) for name, before in summary["before"].items()]
    changes = [
        (name, f"{_figure(name, before)} -> {_figure(name, after)}")
        for name, before, after in pairs
        if after is not None
    ]
    field = summary["field"]
    return [("asked", f"{field} at most {_figure(field, summary['asked'])}"), *changes]


def _figure(field: str, value: float | None) -> str:
    """Milliseconds with two places, all else is counted; the milliseconds of a model of other widths are unknown."""
    if value is None:
        return "unknown"
    return f"{value:.2f}" if field == "latency_ms" else f"{value:,.0f}"
