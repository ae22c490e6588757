"""`penjing embed` and `penjing search`: an index of a file's lines, and the nearest lines of a query.

They need the base install alone. Left out: making the bundle, and adding to an index, which is made again in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from tqdm import tqdm

from ..runtime.bundle import open_bundle
from ..runtime.embedder import Embedder, Embeddings, load_embedder, open_embedder
from ..runtime.errors import DataError, OutputError, writing
from ..runtime.vector_search import TEXTS_NAME, VECTORS_NAME, make_index, read_index, write_index
from .bundle_commands import BundleFolder, Threads
from .terminal import note, print_facts, print_table

TEXTS_AT_ONCE = 256

Engine = Annotated[Literal["onnx", "tflite"] | None, typer.Option(help="If not given: onnx, then tflite.")]
IndexFolder = Annotated[Path, typer.Argument(metavar="OUT", help="The folder that `penjing embed --to` wrote.")]


def embed(
    bundle: BundleFolder,
    file: Annotated[Path, typer.Option(metavar="FILE", help="A UTF-8 file with one text a line (.gz, .xz too).")],
    to: Annotated[Path, typer.Option(metavar="OUT", help="The folder of the index; one that is there is replaced.")],
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Cut vectors short, to a size that the encoder was trained for.")
    ] = None,
    engine: Engine = None,
    precision: Annotated[str | None, typer.Option(help="fp32 or int8; if not given: int8, then fp32.")] = None,
    threads: Threads = 1,
) -> None:
    """Makes an index of a file's lines: their vectors, 8 bits a number, and the texts beside them.

    \b
    Examples:
      penjing embed runs/stsb/bundle --file notes.txt --to notes.index
      penjing embed runs/stsb/bundle --file notes.txt --to small.index --size 64
    """
    from ..compress.tables import file_kind, read_lines

    opened = load_embedder(bundle, engine, precision, threads)
    file_kind(file)
    texts = read_lines(file)
    _check_target(to)
    found = _embed(opened, texts, size)
    index = make_index(found.vectors, texts, str(bundle), _model(opened))
    with writing(to, "choose another"):
        write_index(index, to)
    bytes_ = sum((to / name).stat().st_size for name in (VECTORS_NAME, TEXTS_NAME))
    print_facts([("index", str(to)), ("texts", str(len(texts))), ("size", str(index.size)), ("bytes", str(bytes_))])
    if cut := sum(found.truncated):
        note(f"{cut} of {len(texts)} texts are longer than {opened.bundle.manifest.max_length} tokens and were cut")


def search(
    index: IndexFolder,
    query: Annotated[str, typer.Argument(help="What to look for, in words.")],
    k: Annotated[int, typer.Option("-k", min=1, help="How many texts to show.")] = 5,
    bundle: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Where the encoder's bundle is, if it was moved.")
    ] = None,
    threads: Threads = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """The texts of an index whose vectors are nearest to the query's: cosine and text, the nearest first.

    \b
    Examples:
      penjing search notes.index "how do I reset the device?"
      penjing search notes.index "a dog in the snow" -k 10 --json
    """
    found = read_index(index)
    folder = bundle or Path(found.bundle)
    hits = found.search(_opened(folder, found.model, threads).embed(query, found.size), k)
    if as_json:
        for hit in hits:
            print(json.dumps({"score": hit.score, "line": hit.position + 1, "text": hit.text}, ensure_ascii=False))
        return
    print_table(("score", "line", "text"), [(f"{hit.score:.4f}", str(hit.position + 1), hit.text) for hit in hits])


def _opened(folder: Path, model: str, threads: int) -> Embedder:
    """The encoder with the very file that the index was made with. Raises DataError when the bundle has not got it."""
    if not folder.is_dir():
        raise DataError(f"the index is of the bundle {folder}, which is not there: say where it is with --bundle")
    bundle = open_bundle(folder)
    for name in bundle.model_files:
        if bundle.manifest.files[name].sha256 == model:
            return open_embedder(bundle, name, threads)
    raise DataError(f"{folder} does not hold the model that the index was made with: run `penjing embed` again")


def _embed(opened: Embedder, texts: Sequence[str], size: int | None) -> Embeddings:
    starts = range(0, len(texts), TEXTS_AT_ONCE)
    # One batch takes no two seconds, so a few texts get no bar.
    bar = tqdm(starts, "embed", disable=True if len(starts) == 1 else None, unit_scale=TEXTS_AT_ONCE)
    parts = [opened.embed_many(texts[start : start + TEXTS_AT_ONCE], size) for start in bar]
    return Embeddings(np.concatenate([p.vectors for p in parts]), tuple(cut for p in parts for cut in p.truncated))


def _model(opened: Embedder) -> str:
    return opened.bundle.manifest.files[opened.file].sha256


def _check_target(to: Path) -> None:
    """Before the work: a folder that holds anything but an index is not written into."""
    if to.is_file() or (to.is_dir() and {path.name for path in to.iterdir()} - {VECTORS_NAME, TEXTS_NAME}):
        raise OutputError(f"{to} is no index of vectors: name a new folder")
    if not to.absolute().parent.is_dir():
        raise OutputError(f"no folder {to.absolute().parent} for {to.name}: make it, or choose another")
