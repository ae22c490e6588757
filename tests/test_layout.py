"""The house: links at the root, who imports whom, no module named like a dependency, files of a readable size.

That importing the runtime loads nothing heavy is tested with the runtime itself.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "penjing"
LINKED = ("export", "runtime", "benchmarks")

MAY_IMPORT = {
    "runtime": set(),
    "export": {"runtime"},
    "benchmarks": {"runtime"},
    "compress": {"runtime"},
    "pipeline": {"runtime", "export", "benchmarks", "compress"},
}
"""DESIGN.md, section 1."""

RUNTIME_MODULES = {"numpy", "tokenizers", "onnxruntime", "ai_edge_litert"}
DEPENDENCIES = {
    "accelerate", "ai_edge_litert", "ai_edge_quantizer", "datasets", "filelock", "flatbuffers", "jinja2",
    "litert_torch", "matplotlib", "numpy", "onnx", "onnxruntime", "onnxscript", "optimum", "psutil", "pyarrow",
    "pydantic", "pytest", "ray", "safetensors", "tokenizers", "torch", "tqdm", "transformers", "typer", "yaml",
}  # fmt: skip
MOST_LINES = 400


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def absolute_imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file of ours imports, wherever in the file it does."""
    package = ("penjing", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = [*base, *(node.module or "").split(".")] if node.module else list(base)
            # `from .. import x` may name a package or a value; as a package it counts.
            yield from (".".join([*module, alias.name]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "export").mkdir()
    file = tmp_path / "export" / "x.py"
    file.write_text("import torch\nfrom .. import pipeline\ndef f():\n    from ..compress.data import Split\n")
    assert list(absolute_imports(file)) == ["torch", "penjing.pipeline", "penjing.compress.data.Split"]


@pytest.mark.parametrize("name", LINKED)
def test_a_link_at_the_root_is_relative_and_resolves(name: str) -> None:
    link = ROOT / name
    assert os.readlink(link) == f"src/penjing/{name}"
    assert link.resolve() == PACKAGE / name
    assert (link / "__init__.py").is_file()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_design_allows(package: str) -> None:
    allowed = {package, *MAY_IMPORT[package]}
    for path in sources(PACKAGE / package):
        ours = [name.split(".") for name in absolute_imports(path) if name.split(".")[0] == "penjing"]
        used = {parts[1] for parts in ours if len(parts) > 1 and (PACKAGE / parts[1]).is_dir()}
        assert used <= allowed, f"{path.relative_to(ROOT)} imports {used - allowed}"


def test_every_package_has_a_row_in_the_table() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(MAY_IMPORT)


def test_the_runtime_imports_only_numpy_tokenizers_and_the_engines() -> None:
    import sys

    for path in sources(PACKAGE / "runtime"):
        roots = {name.split(".")[0] for name in absolute_imports(path)} - {"penjing"}
        foreign = roots - set(sys.stdlib_module_names) - RUNTIME_MODULES
        assert not foreign, f"{path.name} imports {foreign}"


def test_ours_are_imported_by_dots() -> None:
    for path in sources(PACKAGE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("penjing")
            assert not named, f"{path.relative_to(ROOT)}, line {getattr(node, 'lineno', 0)}: import with dots"


def test_no_module_is_named_like_a_dependency() -> None:
    names = {path.stem: path for path in sources(PACKAGE)} | {path.name: path for path in PACKAGE.rglob("*/")}
    assert not names.keys() & DEPENDENCIES


def test_files_are_of_a_readable_size() -> None:
    for path in (*sources(PACKAGE), *sources(ROOT / "tests")):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MOST_LINES, f"{path.relative_to(ROOT)} has {lines} lines: one idea a file"


def test_every_module_says_what_it_is_for() -> None:
    for path in sources(PACKAGE):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.relative_to(ROOT)
