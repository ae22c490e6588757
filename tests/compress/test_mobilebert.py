"""MobileBERT against its published counts, transformers' implementation, and its own folded form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from penjing.compress.models.checkpoint import count_parameters, load_student, load_weights, save_student
from penjing.compress.models.encoder import LayerShape
from penjing.compress.models.folded import FoldedStudent, inference_form
from penjing.compress.models.mobilebert import (
    IB_BERT_TEACHER,
    MOBILEBERT,
    MOBILEBERT_TINY,
    MobileBert,
    MobileBertClassifier,
    MobileBertConfig,
)
from penjing.compress.prune.costs import cost_of
from penjing.runtime.errors import TrainingError

TINY = MobileBertConfig.uniform(
    3, heads=4, head_size=8, feed_forwards=2, intermediate_size=48,
    vocab_size=120, hidden_size=64, embedding_size=24, bottleneck_size=32, max_positions=40,
)  # fmt: skip


def randomize(model: nn.Module, seed: int = 0) -> None:
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "LayerNorm.weight" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
        else:
            nn.init.normal_(parameter, std=0.1)


def padded_batch(vocab_size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    ids, mask = torch.randint(1, vocab_size, (3, 12)), torch.ones(3, 12, dtype=torch.int64)
    ids[1, 7:], mask[1, 7:], ids[2, 3:], mask[2, 3:] = 0, 0, 0, 0
    types = torch.zeros_like(ids)
    types[0, 6:] = 1
    return ids, mask, types


EDGETPU_XS = MobileBertConfig.uniform(
    8, heads=4, head_size=64, feed_forwards=4, intermediate_size=1024, bottleneck_size=256
)


def counted(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (MOBILEBERT, 24_581_888), (MOBILEBERT_TINY, 15_485_696), (EDGETPU_XS, 27_006_720),
        (replace(IB_BERT_TEACHER, pooler=False), 294_205_184),
    ],
)  # fmt: skip
def test_total_parameters_equal_the_published_counts(config: MobileBertConfig, published: int) -> None:
    with torch.device("meta"):
        assert counted(MobileBert(config)) == published


def test_a_block_and_the_embeddings_have_the_published_counts() -> None:
    with torch.device("meta"):
        model = MobileBert(MOBILEBERT)
    assert counted(model.encoder.layers()[0]) == 842_240
    assert counted(model.embeddings) == 4_368_128


@pytest.mark.parametrize(("config", "published", "within"), [(MOBILEBERT, 5.7, 0.06), (MOBILEBERT_TINY, 3.1, 0.02)])
def test_two_operations_a_mac_are_the_published_billions(
    config: MobileBertConfig, published: float, within: float
) -> None:
    """At 128 tokens. The paper's 25.3M parameters are more than its own code's 24.6M, and so are its operations."""
    assert 2 * cost_of(config, 2, 128).macs / 1e9 == pytest.approx(published, rel=within)


@torch.no_grad()
def test_the_head_reads_the_first_token_without_a_pooler() -> None:
    """A pooler between them is said to harm (google-research issue 287)."""
    assert not any(config.pooler for config in (MOBILEBERT, MOBILEBERT_TINY, TINY))
    model = MobileBertClassifier(TINY, 2).eval()
    randomize(model)
    logits, layers = model(*padded_batch(120), with_layers=True)
    assert torch.allclose(logits, model.classifier(layers.hidden[-1][:, 0]), atol=1e-6)
    assert not any("pooler" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize("attention_input", ["shared", "bottleneck"])
def test_outputs_equal_those_of_transformers_with_padding(attention_input: str) -> None:
    from transformers import MobileBertConfig as PeerConfig
    from transformers import MobileBertModel as PeerModel

    peer_config = PeerConfig(
        num_hidden_layers=3, vocab_size=120, hidden_size=64, embedding_size=24, intra_bottleneck_size=32,
        num_attention_heads=4, intermediate_size=48, num_feedforward_networks=2, max_position_embeddings=40,
        use_bottleneck_attention=attention_input == "bottleneck",
        key_query_shared_bottleneck=attention_input == "shared",
    )  # fmt: skip
    peer = PeerModel(peer_config, add_pooling_layer=False).eval()
    randomize(peer)
    own = MobileBert(replace(TINY, attention_input=attention_input)).eval()
    missing = own.load_state_dict(peer.state_dict(), strict=False)
    assert not missing.missing_keys
    ids, mask, types = padded_batch(120)
    with torch.no_grad():
        expected = peer(ids, mask, types, output_hidden_states=True).hidden_states
        hidden = own(ids, mask, types).hidden
    assert len(hidden) == len(expected)
    for ours, theirs in zip(hidden, expected, strict=True):
        assert (ours - theirs).abs().max() < 1e-5


def test_the_folded_form_gives_the_same_logits() -> None:
    model = MobileBertClassifier(TINY, 5).eval()
    randomize(model)
    folded = inference_form(model)
    assert isinstance(folded, FoldedStudent)
    batch = padded_batch(120)
    with torch.no_grad():
        assert (model(*batch) - folded(*batch)).abs().max() < 1e-4


def test_layers_may_differ_in_heads_and_widths_and_still_fold() -> None:
    shapes = (LayerShape(4, 8, (48, 16)), LayerShape(1, 12, (8,)), LayerShape(3, 5, (20, 30, 10)))
    model = MobileBertClassifier(replace(TINY, layers=shapes), 2).eval()
    randomize(model)
    batch = padded_batch(120)
    with torch.no_grad():
        assert (model(*batch) - inference_form(model)(*batch)).abs().max() < 1e-4


def test_a_layer_norm_student_is_left_as_it_is() -> None:
    model = MobileBertClassifier(replace(TINY, norm="layer_norm"), 2)
    assert inference_form(model) is model


def test_a_scale_next_to_zero_is_not_divided_out() -> None:
    model = MobileBertClassifier(TINY, 2)
    model.mobilebert.encoder.layer[1].ffn[0].output.LayerNorm.weight.data[3] = 1e-6
    assert inference_form(model) is model


def test_a_scale_of_zero_that_nothing_is_written_behind_is_folded() -> None:
    model = MobileBertClassifier(TINY, 5).eval()
    randomize(model)
    last = model.mobilebert.encoder.layer[-1]
    last.output.bottleneck.LayerNorm.weight.data[:2] = torch.tensor([0.0, 1e-6])
    last.output.LayerNorm.weight.data[3] = 0
    folded = inference_form(model)
    assert isinstance(folded, FoldedStudent)
    batch = padded_batch(120)
    with torch.no_grad():
        assert (model(*batch) - folded(*batch)).abs().max() < 1e-4


def test_padding_does_not_change_a_fresh_students_logits() -> None:
    model = MobileBertClassifier(TINY, 2).eval()
    ids, mask, types = padded_batch(120)
    with torch.no_grad():
        alone, padded = model(ids[2:, :3], mask[2:, :3], types[2:, :3]), model(ids, mask, types)
    assert (alone - padded[2:]).abs().max() < 1e-5


def test_the_mask_survives_half_precision() -> None:
    model = MobileBertClassifier(TINY, 2).eval()
    ids, mask, types = padded_batch(120)
    with torch.no_grad():
        full = model(ids, mask, types)
        half = model.half()(ids, mask, types)
    assert torch.isfinite(half).all()
    assert (full - half.float()).abs().max() < 2e-2


def test_a_student_round_trips_through_its_folder(tmp_path: Path) -> None:
    model = MobileBertClassifier(TINY, 3).eval()
    randomize(model)
    save_student(model, tmp_path)
    again = load_student(tmp_path)
    assert again.config == TINY
    batch = padded_batch(120)
    with torch.no_grad():
        assert torch.equal(model(*batch), again(*batch))


def test_a_folder_that_names_no_architecture_is_mobilebert_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    save_student(MobileBertClassifier(TINY, 3), tmp_path)
    shape = json.loads((tmp_path / "student.json").read_text(encoding="utf-8"))
    assert shape.pop("architecture") == "mobilebert"
    (tmp_path / "student.json").write_text(json.dumps(shape), encoding="utf-8")
    assert isinstance(load_student(tmp_path), MobileBertClassifier)
    (tmp_path / "student.json").write_text(json.dumps({**shape, "architecture": "lstm"}), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"architecture 'lstm', this Penjing knows mobilebert"):
        load_student(tmp_path)


def test_a_published_encoder_checkpoint_loads_without_its_prefix(tmp_path: Path) -> None:
    source, target = MobileBertClassifier(TINY, 3), MobileBertClassifier(TINY, 3)
    randomize(source)
    bare = {name.removeprefix("mobilebert."): value for name, value in source.state_dict().items()}
    save_file({n: v for n, v in bare.items() if not n.startswith("classifier.")}, tmp_path / "m.safetensors")
    load_weights(target, tmp_path / "m.safetensors")
    for name, value in source.mobilebert.state_dict().items():
        assert torch.equal(value, target.mobilebert.state_dict()[name])


def test_a_checkpoint_of_another_shape_is_refused_by_name(tmp_path: Path) -> None:
    save_student(MobileBertClassifier(replace(TINY, hidden_size=32), 3), tmp_path)
    with pytest.raises(TrainingError, match=r"position_embeddings|word_embeddings|embedding_transformation"):
        load_weights(MobileBertClassifier(TINY, 3), tmp_path / "model.safetensors")


def test_parameters_outside_embedding_tables_are_counted_apart() -> None:
    model = MobileBertClassifier(TINY, 3)
    total, inner = count_parameters(model)
    assert total - inner == 120 * 24 + 40 * 64 + 2 * 64
