"""The command line: reads the arguments, calls one function, prints what came back, and turns errors into one line.

What needs more than the base install is imported inside its command, so that the rest starts fast and works without.
Left out: the commands on a bundle (`bundle_commands.py`, `stream_commands.py`) and all work itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from .. import __version__
from ..runtime.errors import UNWRITABLE, PenjingError, RecipeError
from .android_command import android
from .augment_command import augment
from .bench_command import bench
from .bundle_commands import inspect, predict, verify
from .compare_command import compare
from .embedding_commands import embed, search
from .extras import extra_of_module, install_line, require
from .predict_commands import predict_latency
from .prune_commands import prune_app
from .recipe_options import OutFolder, Overrides, RecipeName, load_with_folder
from .stream_commands import calibrate, watch
from .suite_command import suite
from .target_commands import target_app
from .task_file_command import task_file
from .terminal import note, print_facts, print_table, quiet_libraries

EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="penjing", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
recipe_app = typer.Typer(help="List and show the built-in recipes, and the schema of a recipe.", rich_markup_mode=None)
app.add_typer(recipe_app, name="recipe")
app.add_typer(prune_app, name="prune")
app.add_typer(target_app, name="target")


@app.callback(invoke_without_command=True, epilog="Start with: penjing run assistant")
def penjing(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Makes models and anomaly detectors fit phones and boards: a recipe in, a proven and measured bundle out."""
    if version:
        print(__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(no_args_is_help=False)
def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    out: OutFolder = None,
) -> None:
    """Makes, proves and measures a bundle. A run that was stopped continues when it is started again.

    \b
    Examples:
      penjing run assistant
      penjing run bearings
      penjing run my_recipe.yaml --set student.layers=4 --out runs/small
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from .run import run_recipe
    from .workspace import is_first_process

    loaded, folder = load_with_folder(recipe, overrides, out)
    bundle = run_recipe(loaded, folder)
    if is_first_process():
        print_facts([("bundle", str(bundle)), ("report", str(folder / "report.html"))])


@app.command()
def doctor() -> None:
    """Says what this machine has, what is missing, and how to install it.

    \b
    Example:
      penjing doctor
    """
    from .doctor import check_rows, machine_facts

    print_facts(machine_facts())
    print()
    print_table(("part", "state", "next step"), check_rows())


@recipe_app.command("list")
def recipe_list() -> None:
    """Names of the built-in recipes, and what each is.

    \b
    Example:
      penjing recipe list
    """
    from .recipe import built_in_recipes, what_it_is

    print_facts([(name, what_it_is(path)) for name, path in built_in_recipes().items()])


@recipe_app.command("show")
def recipe_show(name: Annotated[str, typer.Argument(help="A built-in recipe's name.")]) -> None:
    """A built-in recipe as it is written: a start for one's own.

    \b
    Example:
      penjing recipe show assistant > my_recipe.yaml
    """
    from .recipe import built_in_recipes

    recipes = built_in_recipes()
    if name not in recipes:
        raise RecipeError(f"no built-in recipe {name!r}: choose of these: {', '.join(recipes)}")
    print(recipes[name].read_text(encoding="utf-8"), end="")


@recipe_app.command("schema")
def recipe_schema() -> None:
    """The JSON schema of a recipe, for editors.

    \b
    Example:
      penjing recipe schema > recipe.schema.json
    """
    import json

    from .recipe import recipe_schema as schema

    print(json.dumps(schema(), indent=2))


for command in (
    suite, augment, predict, watch, calibrate, verify, bench, compare, predict_latency, inspect, android, task_file,
    embed, search,
):  # fmt: skip
    app.command()(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line. Exits with 0, with 2 after one line on stderr, or with 130 when interrupted."""
    try:
        code = app(args=arguments, prog_name="penjing", standalone_mode=False)
    except PenjingError as error:
        _stop(str(error))
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        place = context.command_path if context else "penjing"
        _stop(f"{error.format_message().rstrip('.')}: see `{place} --help`")
    except ImportError as error:
        _stop_for_missing_package(error)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        reason = f"{error.filename or 'the output'}: {os.strerror(error.errno)}"
        _stop(f"cannot read or write {reason}; free space, mend the rights or name another place, then run again")
    if code == EXIT_INTERRUPTED:
        note("interrupted; run the same command again to continue")
    sys.exit(code if isinstance(code, int) else 0)


def _stop_for_missing_package(error: ImportError) -> NoReturn:
    extra = extra_of_module(error.name or "")
    if extra is None:
        raise error
    _stop(f"this command needs {error.name}: {install_line(extra)}")


def _stop(message: str) -> NoReturn:
    note(message)
    sys.exit(EXIT_ERROR)
