from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from penjing.export.int8_products import round_inputs_alike
from penjing.export.lookup_rows import spell_out_lookups
from penjing.export.quantize import quantize_tflite
from penjing.export.share_buffers import share_buffers
from penjing.export.tflite_edit import edited
from penjing.export.to_onnx import silenced
from penjing.export.to_tflite import export_tflite
from penjing.export.verify import compare_logits, run_file

LENGTHS = (8, 16, 24)


def places():
    """Paths of this machine, and what a stack trace would hold."""
    return [str(p).encode() for p in (Path.cwd(), Path.home(), sys.prefix, tempfile.gettempdir())] + [b'.py"', b".py:"]


def row_of(length, seed=0):
    ids = np.random.default_rng(seed).integers(1, 300, (1, length)).astype(np.int32)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


def answers(content):
    """Logits of every signature for a row as long as it."""
    interpreter = Interpreter(model_content=content)
    return [interpreter.get_signature_runner(f"serving_{n}")(**row_of(n))["logits"] for n in LENGTHS]


def buffers_of(content):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    return [bytes(buffer.data) for buffer in model.buffers if buffer.data is not None and len(buffer.data)]


@pytest.fixture(scope="module")
def raw_int8(exported_tflite):
    """What the quantizer itself makes of the file."""
    with silenced():
        source = str(exported_tflite.folder / "model.tflite")
        return bytes(quantizer.Quantizer(source, recipe.dynamic_wi8_afp32()).quantize().quantized_model)


@pytest.fixture(scope="module")
def one_signature(exported_tflite, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    export_tflite(exported_tflite.model, folder / "model.tflite", sequence_lengths=LENGTHS[-1:])
    quantize_tflite(folder / "model.tflite", folder / "model.int8.tflite")
    return folder


@pytest.mark.parametrize("file", ["model.tflite", "model.int8.tflite"])
def test_every_text_gets_the_logits_of_torch(exported_tflite, file):
    """Texts of 3 to 24 tokens: all three signatures, and padding inside each."""
    made = exported_tflite
    logits = run_file(made.folder / file, "tflite", made.texts)
    proof = compare_logits(logits, made.logits, made.labels, file=file, split="validation")
    if "int8" in file:
        assert 0 < proof.logit_difference < 0.1 * np.abs(made.logits).max() and proof.value >= 0.9
    else:
        assert proof.logit_difference <= 1e-4 and proof.flips == 0


def test_signatures_inputs_and_output_have_their_names_and_types(exported_tflite):
    interpreter = Interpreter(model_path=str(exported_tflite.folder / "model.tflite"))
    assert set(interpreter.get_signature_list()) == {f"serving_{n}" for n in LENGTHS}
    for length in LENGTHS:
        runner = interpreter.get_signature_runner(f"serving_{length}")
        shapes = {name: (d["dtype"], d["shape"].tolist()) for name, d in runner.get_input_details().items()}
        names = ("input_ids", "attention_mask", "token_type_ids")
        assert shapes == dict.fromkeys(names, (np.int32, [1, length]))
        assert list(runner.get_output_details()) == ["logits"]


def test_the_word_table_is_int8_with_a_scale_a_row(exported_tflite):
    """The scales are a constant of their own: older interpreters overlook those of a lookup's table."""
    model = schema.Model.GetRootAs((exported_tflite.folder / "model.int8.tflite").read_bytes(), 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    types = {tuple(tensor.ShapeAsNumpy().tolist()): tensor.Type() for tensor in tensors if tensor.ShapeLength() == 2}
    assert types[30_522, 32] == schema.TensorType.INT8 and types[30_522, 1] == schema.TensorType.FLOAT32
    codes = [model.OperatorCodes(index).BuiltinCode() for index in range(model.OperatorCodesLength())]
    assert schema.BuiltinOperator.GATHER in codes and schema.BuiltinOperator.EMBEDDING_LOOKUP not in codes


def test_a_lookup_that_is_spelled_out_gives_the_same_to_the_last_bit(raw_int8):
    shared = edited(raw_int8, share_buffers)
    spelled_out = edited(shared, spell_out_lookups)
    assert len(spelled_out) < len(shared) - 30_522 * 7  # the zero points of every row
    for before, after in zip(answers(shared), answers(spelled_out), strict=True):
        assert np.array_equal(before, after)


def test_three_signatures_store_each_weight_once(exported_tflite, one_signature):
    for file in ("model.tflite", "model.int8.tflite"):
        three, one = ((folder / file).read_bytes() for folder in (exported_tflite.folder, one_signature))
        assert len(buffers_of(three)) == len(set(buffers_of(three)))
        assert len(three) <= 1.1 * len(one)  # operators, names and the positions' cut to length are a graph's own


def test_sharing_changes_the_file_and_no_answer(exported_tflite, raw_int8):
    shared = edited(raw_int8, share_buffers)
    written = edited(shared, spell_out_lookups, round_inputs_alike, share_buffers)
    assert written == (exported_tflite.folder / "model.int8.tflite").read_bytes()
    assert len(shared) <= len(raw_int8) - 2 * 30_522 * 12  # scales and zero points of every row, twice too often
    for before, after in zip(answers(raw_int8), answers(shared), strict=True):
        assert np.array_equal(before, after)
    assert edited(shared, share_buffers) == shared and edited(written, share_buffers) == written


def test_copies_of_a_weight_become_one(exported_tflite):
    """As older quantizers leave them: every signature with a copy of its own."""
    content = (exported_tflite.folder / "model.int8.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for graph in model.subgraphs[1:]:
        for tensor in graph.tensors:
            model.buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = len(model.buffers) - 1
    import flatbuffers

    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    copied = bytes(builder.Output())
    shared = edited(copied, share_buffers)
    assert len(copied) > len(content) + 2 * 30_522 * 32 and len(shared) < 1.05 * len(content)
    for before, after in zip(answers(copied), answers(shared), strict=True):
        assert np.array_equal(before, after)


def test_weights_start_at_multiples_of_16_and_lie_inside(exported_tflite):
    content = (exported_tflite.folder / "model.int8.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    starts = [b._tab.Vector(b._tab.Offset(4)) for b in buffers if b.DataLength()]
    assert len(starts) > 10 and all(start % 16 == 0 for start in starts)
    assert not any(buffer.Offset() for buffer in buffers)


def test_two_exports_are_the_same_file_and_hold_no_path(exported_tflite, one_signature, tmp_path):
    export_tflite(exported_tflite.model, tmp_path / "model.tflite", sequence_lengths=LENGTHS[-1:])
    quantize_tflite(tmp_path / "model.tflite", tmp_path / "model.int8.tflite")
    for file in ("model.tflite", "model.int8.tflite"):
        content = (tmp_path / file).read_bytes()
        assert content == (one_signature / file).read_bytes()
        assert not [place for place in places() if place in content]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.int8.tflite", "model.tflite"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(exported_tflite, tmp_path):
    (tmp_path / "model.tflite.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        export_tflite(exported_tflite.model, tmp_path / "model.tflite", sequence_lengths=LENGTHS[:1])
    assert not (tmp_path / "model.tflite").exists()
