"""Runs in an environment of its own: tflite-support's writers put metadata into each `<number>/model.tflite`.

What to say is in `request.json` beside it (`Described` in `tflite_metadata.py`), the result is `described.tflite`. Left
out: everything that needs Penjing, which this environment does not have.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def main() -> None:
    """Works in the current folder."""
    start = Path.cwd()
    for request in sorted(start.glob("*/request.json")):
        os.chdir(request.parent)  # names of files become part of the metadata, so they must be bare
        about = json.loads(request.read_text(encoding="utf-8"))
        Path("described.tflite").write_bytes(described(bytearray(Path("model.tflite").read_bytes()), about))


def described(model: bytearray, about: dict[str, Any]) -> bytes:
    """The model with its metadata."""
    from tflite_support.metadata_writers import bert_nl_classifier, metadata_info

    general = metadata_info.GeneralMd(name=about["name"], description=about["text"])
    tokenizer = metadata_info.BertTokenizerMd("vocab.txt") if about["vocabulary"] else None
    inputs, units = _inputs(model, about, tokenizer)
    labels = [metadata_info.LabelFileMd("labels.txt")] if about["labels"] else []
    output = metadata_info.ClassificationTensorMd(
        name=about["output"], description=about["output_text"], label_files=labels
    ).create_metadata()
    if about["threshold"] is not None:
        output.processUnits = [_threshold(about["threshold"])]
    writer = bert_nl_classifier.MetadataWriter.create_from_metadata(
        model, model_metadata=general.create_metadata(), input_metadata=inputs, output_metadata=[output],
        associated_files=[name for name in ("labels.txt", "vocab.txt") if Path(name).is_file()],
        input_process_units=units,
    )  # fmt: skip
    return bytes(writer.populate())


def _inputs(model: bytearray, about: dict[str, Any], tokenizer: Any) -> tuple[list[Any], list[Any]]:
    """Metadata of the first graph's inputs, and how a text becomes them."""
    from tflite_support.metadata_writers import metadata_info, writer_utils

    names = writer_utils.get_input_tensor_names(model)
    if about["labels"]:
        ordered = [next(n for n in names if kind in n) for kind in ("input_ids", "attention_mask", "token_type_ids")]
        of_text = metadata_info.BertInputTensorsMd(model, *ordered, tokenizer_md=tokenizer)
        return of_text.create_input_tesnor_metadata(), of_text.create_input_process_unit_metadata()
    samples = metadata_info.TensorMd(name="samples", description=about["input_text"])
    return [samples.create_metadata()], [] if tokenizer is None else [tokenizer.create_metadata()]


def _threshold(value: float) -> Any:
    from tflite_support import metadata_schema_py_generated as schema

    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.ScoreThresholdingOptions
    unit.options = schema.ScoreThresholdingOptionsT()
    unit.options.globalScoreThreshold = value
    return unit


if __name__ == "__main__":
    main()
