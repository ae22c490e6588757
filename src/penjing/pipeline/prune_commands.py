"""`penjing prune`: shows what a recipe's cut would do, before anything is cut."""

from __future__ import annotations

from typing import Any

import typer

from .extras import require
from .recipe_options import OutFolder, Overrides, RecipeName, load_with_folder
from .terminal import print_facts, print_table, quiet_libraries

prune_app = typer.Typer(help="See a cut before it is made.", rich_markup_mode=None)


@prune_app.callback()
def prune() -> None:
    """See a cut before it is made."""


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

    folder = plan_first_round(*load_with_folder(recipe, overrides, out))
    summary = read_json(folder / SUMMARY_NAME)
    print_table(COLUMNS, summary["rows"])
    print()
    print_facts([*_facts(summary), ("plan", str(folder / "plan.json"))])


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
