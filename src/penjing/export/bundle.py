"""Writing a bundle: model files, tokenizer, goldens and papers become one folder with a manifest of hashes.

The folder appears whole or not at all, and equal inputs give equal bytes. Left out: making any of what it packs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from ..runtime.answers import SOFTMAX, Postprocess
from ..runtime.bundle import Bundle, open_bundle, sha256_of
from ..runtime.errors import ExportError
from ..runtime.goldens import Golden, write_goldens
from ..runtime.manifest import BundleFile, Manifest, Quality, write_manifest
from ..runtime.tokenizer import TOKENIZER_NAME, TextTokenizer, copy_tokenizer
from .model_facts import read_model_facts
from .replacing import replacing
from .signature import TEXT

_FORMATS = {".json": "json", ".jsonl": "jsonl", ".md": "markdown", ".txt": "text", ".yaml": "yaml"}


def write_bundle(
    folder: Path,
    *,
    name: str,
    task: str,
    labels: Sequence[str],
    model_files: Mapping[str, Path],
    tokenizer_folder: Path,
    config: Mapping[str, Any],
    recipe_yaml: str,
    sequence_lengths: Sequence[int],
    max_length: int,
    quality: Sequence[Quality],
    goldens: Sequence[Golden],
    provenance: Mapping[str, Any],
    readme: str,
    after: Postprocess = SOFTMAX,
    pair: bool = False,
) -> Bundle:
    """Packs the bundle into `folder`; one that is there already is replaced once the new one is complete.

    `model_files` maps names such as "model.int8.onnx" to files; `config` is what Hugging Face loaders read, with
    `model_type` and `id2label`; `after` is what the device does after the logits, `pair` says that it takes two texts.
    Raises ExportError when something to pack is missing or contradicts something else,
    OutputError when the folder cannot be written or holds anything but a bundle.
    """
    _check_parts(model_files, tokenizer_folder, goldens)
    _check_config(config, labels)
    models = {file: model_entry(file, source) for file, source in model_files.items()}
    with replacing(folder) as part:
        for file, source in model_files.items():
            shutil.copyfile(source, part / file)
        copy_tokenizer(tokenizer_folder, part)
        write_goldens(goldens, part)
        papers = {"config.json": _json_text(config), "recipe.yaml": recipe_yaml, "README.md": readme}
        write_papers(papers, part)
        manifest = Manifest(
            name=name,
            task=task,
            labels=tuple(labels),
            inputs=TEXT.specs(),
            sequence_lengths=tuple(sorted(sequence_lengths)),
            max_length=max_length,
            files=list_files(part, models),
            preprocess={**text_preprocess(tokenizer_folder, max_length), **({"pair": True} if pair else {})},
            postprocess=after.to_plain(),
            quality=tuple(quality),
            provenance=dict(provenance),
        )
        write_manifest(manifest, part)
    return open_bundle(folder)


def _check_parts(model_files: Mapping[str, Path], tokenizer_folder: Path, goldens: Sequence[Golden]) -> None:
    check_models(model_files)
    check_tokenizer(tokenizer_folder)
    for golden in goldens:
        if set(golden.logits) != set(model_files):
            raise ExportError(
                f"a golden has logits of {sorted(golden.logits)}, not of {sorted(model_files)}: run all files"
            )


def _check_config(config: Mapping[str, Any], labels: Sequence[str]) -> None:
    named = {int(i): label for i, label in config.get("id2label", {}).items()}
    if "model_type" not in config or named != dict(enumerate(labels)):
        raise ExportError(f"config.json needs model_type and id2label for {list(labels)}, has {named}: pass both")


def check_models(model_files: Mapping[str, Path]) -> None:
    """Raises ExportError when a model file is missing or its name in the bundle is none."""
    for file, path in model_files.items():
        if not path.is_file():
            raise ExportError(f"{path} is missing, so there is no bundle to write: run the stage that makes it again")
        if Path(file).name != file or Path(file).suffix not in (".onnx", ".tflite"):
            raise ExportError(f"{file!r} is no name for a model in a bundle: name it model.onnx or the like")


def model_entry(file: str, source: Path) -> BundleFile:
    """What the manifest says of a model; raises ExportError when its name and its content disagree."""
    facts = read_model_facts(source)
    claimed = Path(Path(file).stem).suffix.lstrip(".") or "fp32"
    if claimed != facts.precision:
        raise ExportError(
            f"{file} should hold {claimed} weights by its name but holds {facts.precision}: export it again"
        )
    size = source.stat().st_size
    return BundleFile(sha256_of(source), size, facts.format, facts.precision, facts.opset, facts.ops)


def check_tokenizer(folder: Path) -> None:
    """Raises ExportError when there is no tokenizer in `folder`."""
    if not (folder / TOKENIZER_NAME).is_file():
        raise ExportError(
            f"{folder / TOKENIZER_NAME} is missing, so there is no bundle to write: run the stage that makes it again"
        )


def write_papers(papers: Mapping[str, str], folder: Path) -> None:
    """Writes texts by file name, with the same bytes on every system."""
    for file, text in papers.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def list_files(folder: Path, models: Mapping[str, BundleFile]) -> dict[str, BundleFile]:
    """The manifest's `files` for all that lies in `folder`; `models` are those of `model_entry`."""
    return {path.name: models.get(path.name) or _paper_entry(path) for path in sorted(folder.iterdir())}


def _paper_entry(path: Path) -> BundleFile:
    return BundleFile(sha256_of(path), path.stat().st_size, _FORMATS[path.suffix])


def text_preprocess(tokenizer_folder: Path, max_length: int) -> dict[str, Any]:
    """What runtimes without our tokenizer library must know of it."""
    normalizer = Tokenizer.from_file(str(tokenizer_folder / TOKENIZER_NAME)).normalizer
    lowercase = normalizer is not None and normalizer.normalize_str("A") == "a"
    return {"lowercase": lowercase, "pad_id": TextTokenizer(tokenizer_folder, max_length).pad_id}


def _json_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
