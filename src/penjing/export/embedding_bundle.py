"""Writing a sentence encoder's bundle: model files, tokenizer, goldens and papers become one folder with hashes.

As whole and as repeatable as a classifier's (`bundle.py`). Left out: making any of what it packs, and a `config.json`:
no loader of Hugging Face knows a graph that gives one vector a text.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..runtime.bundle import Bundle, open_bundle
from ..runtime.embedder import FUNCTION, OUTPUT
from ..runtime.errors import ExportError
from ..runtime.goldens import write_goldens
from ..runtime.manifest import EMBEDDING_TASK, Manifest, Quality, write_manifest
from ..runtime.tokenizer import copy_tokenizer
from ..runtime.vector_goldens import VectorGolden
from .bundle import check_models, check_tokenizer, list_files, model_entry, text_preprocess, write_papers
from .replacing import replacing
from .signature import TEXT, Signature

EMBEDDING = Signature(TEXT.inputs, OUTPUT, torch.int64)
"""Of every sentence encoder: tokens [batch, sequence] to vectors [batch, size], not of length 1."""


def write_embedding_bundle(
    folder: Path,
    *,
    name: str,
    size: int,
    cuts: Sequence[int],
    model_files: Mapping[str, Path],
    tokenizer_folder: Path,
    recipe_yaml: str,
    sequence_lengths: Sequence[int],
    max_length: int,
    quality: Sequence[Quality],
    goldens: Sequence[VectorGolden],
    provenance: Mapping[str, Any],
    readme: str,
) -> Bundle:
    """Packs the bundle into `folder`; one that is there already is replaced once the new one is complete.

    `model_files` maps names such as "model.int8.onnx" to files. Raises ExportError when something to pack is missing or
    contradicts something else, OutputError when the folder cannot be written or holds anything but a bundle.
    """
    check_models(model_files)
    check_tokenizer(tokenizer_folder)
    _check_goldens(goldens, model_files, size)
    models = {file: model_entry(file, source) for file, source in model_files.items()}
    with replacing(folder) as part:
        for file, source in model_files.items():
            shutil.copyfile(source, part / file)
        copy_tokenizer(tokenizer_folder, part)
        write_goldens(goldens, part)
        write_papers({"recipe.yaml": recipe_yaml, "README.md": readme}, part)
        manifest = Manifest(
            name=name,
            task=EMBEDDING_TASK,
            labels=(),
            inputs=EMBEDDING.specs(),
            sequence_lengths=tuple(sorted(sequence_lengths)),
            max_length=max_length,
            files=list_files(part, models),
            preprocess=text_preprocess(tokenizer_folder, max_length),
            postprocess={"function": FUNCTION, "size": size, "cuts": list(cuts)},
            quality=tuple(quality),
            provenance=dict(provenance),
        )
        write_manifest(manifest, part)
    return open_bundle(folder)


def _check_goldens(goldens: Sequence[VectorGolden], model_files: Mapping[str, Path], size: int) -> None:
    for golden in goldens:
        if set(golden.vectors) != set(model_files):
            raise ExportError(
                f"a golden has vectors of {sorted(golden.vectors)}, not of {sorted(model_files)}: run all files"
            )
        found = {len(vector) for vector in golden.vectors.values()}
        if found != {size}:
            raise ExportError(f"a golden has vectors of {sorted(found)} numbers, not {size}: make the goldens again")
