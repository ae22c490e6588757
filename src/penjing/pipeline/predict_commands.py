"""`penjing target profile` and `penjing predict-latency`: a device's own measurements, and what they foretell.

Left out: measuring and fitting themselves (`target_profile/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .extras import require
from .recipe_options import Overrides, RecipeName
from .terminal import note, print_facts, print_table, quiet_libraries

if TYPE_CHECKING:
    from .target_profile.fit import Fit
    from .target_profile.predict import Prediction
    from .target_profile.profile import Unit

TARGET_HELP = "local, qemu:CPU such as qemu:cortex-a72, ssh://[user@]host[:port], adb://[serial], or a device's name."
FIT_COLUMNS = ("files", "model", "rows", "within 10%", "9 of 10 within")
COLUMNS = ("engine", "precision", "tokens", "latency", "9 of 10 within")


def profile(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGET_HELP)],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Where to write it; in the cache if not given.")
    ] = None,
) -> None:
    """Measures small random students on a target and fits what latency depends on, for `penjing predict-latency`.

    Both engines, fp32 and int8, one thread. About ten minutes on two cores; a run that was stopped continues. An
    emulated core gives instructions, never milliseconds; a phone measures ONNX files alone, and a board needs
    550 MB of room. Keep the device otherwise idle.

    \b
    Examples:
      penjing target profile local
      penjing target profile qemu:cortex-a72
      penjing target profile ssh://pi@board.local
      penjing target profile local --out this_board.json
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from .devices import chosen_targets
    from .target_profile.files import models_folder
    from .target_profile.make import make_profile
    from .target_profile.profile import profile_path, profiles_folder, write_profile
    from .target_profile.shapes import measured_students

    address = chosen_targets([target], None)[target]
    path, students = out or profile_path(target), measured_students()
    made = make_profile(address, students, profiles_folder())
    write_profile(made, path)
    print_table(FIT_COLUMNS, [fit_cells(name, fit) for name, fit in made.fits.items()])
    print()
    print_facts([
        ("profile", str(path)), ("device", made.device), ("unit", made.unit),
        ("models", f"{models_folder(profiles_folder(), students)} (for other targets; may be deleted)"),
    ])  # fmt: skip


def predict_latency(
    recipe: RecipeName,
    target: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A target that has a profile, or the profile's JSON file.")
    ],
    overrides: Overrides = None,
) -> None:
    """Foretells what a recipe's student takes on a target, before it is trained, from the target's profile.

    One text, one thread, per engine, precision and length. The last column is how far nine of ten students were off
    that the profile's models had not seen.

    \b
    Examples:
      penjing predict-latency assistant --target local
      penjing predict-latency sst2 --target qemu:cortex-a72 --set student.layers=4
      penjing predict-latency my_recipe.yaml --target this_board.json
    """
    require("compress", "export", "benchmarks")
    quiet_libraries()
    from ..benchmarks.processor import describe_processor
    from .recipe import load_text_recipe
    from .target_profile.predict import cautions, lengths_of, predict_student, student_of
    from .target_profile.profile import read_profile

    loaded, known = load_text_recipe(recipe, tuple(overrides or ())), read_profile(target)
    found = predict_student(known, student_of(loaded), loaded.quantize.precisions, lengths_of(loaded))
    print_table(COLUMNS, [prediction_cells(each, known.unit) for each in found])
    for caution in cautions(known, loaded, describe_processor().name):
        note(caution)


def fit_cells(name: str, fit: Fit) -> tuple[str, ...]:
    """One line of the profile's table: of students that the fit had not seen."""
    return name, fit.method, f"{fit.rows} of {fit.students} students", f"{fit.near:.1%}", f"{fit.error:.1%}"


def prediction_cells(found: Prediction, unit: Unit) -> tuple[str, ...]:
    """One line of the prediction's table; instructions in millions."""
    value = f"{found.value:.3g} ms" if unit == "ms" else f"{found.value / 1e6:.4g} M instructions"
    padded = "" if found.computed == found.length else f" (runs {found.computed})"
    return found.engine, found.precision, f"{found.length}{padded}", value, f"±{found.error:.1%}"
