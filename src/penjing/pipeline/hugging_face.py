"""The `config.json` with which Hugging Face loaders open a bundle.

transformers knows one width for all layers: where layers differ, `layer_shapes` has the truth and the usual keys that
of the first layer. Left out: weights; loaders run the bundle's ONNX file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..compress.models.bert import BertClassifier
from ..compress.models.bilstm import BiLstmClassifier
from ..compress.models.mobilebert import MobileBertClassifier
from ..compress.models.two_towers import TwoTowerClassifier
from .sections import Recipe


def transformers_config(
    recipe: Recipe,
    model: MobileBertClassifier | BertClassifier | BiLstmClassifier | TwoTowerClassifier,
    outputs: Sequence[str],
) -> dict[str, Any]:
    """Of a student of any architecture; `outputs` are the names of the logits."""
    task = recipe.task.meaning
    names = {str(i): name for i, name in enumerate(outputs)}
    labels = {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
    if isinstance(model, BiLstmClassifier):
        return {**_bilstm(model, recipe.task.max_length), "problem_type": task.problem, **labels}
    shape = model.config
    own = _bert(model) if isinstance(model, BertClassifier) else _mobilebert(model)
    uneven = {"layer_shapes": [asdict(layer) for layer in shape.layers]} if len(set(shape.layers)) > 1 else {}
    return {
        **own,
        **uneven,
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "embedding_size": shape.embedding_size,
        "num_hidden_layers": len(shape.layers),
        "num_attention_heads": shape.layers[0].heads,
        "intermediate_size": shape.layers[0].feed_forwards[0],
        "max_position_embeddings": recipe.task.max_length,
        "type_vocab_size": shape.type_vocab_size,
        "hidden_act": shape.activation,
        "pad_token_id": shape.pad_id,
        **({} if task.by_word else {"problem_type": task.problem}),
        **labels,
    }


def _bilstm(model: BiLstmClassifier, longest: int) -> dict[str, Any]:
    """transformers has no such model: its loaders open the tokenizer and pass over the rest."""
    shape = model.config
    return {
        "model_type": "bilstm",
        "vocab_size": shape.vocab_size,
        "embedding_size": shape.embedding_size,
        "channels": shape.channels,
        "hidden_size": shape.hidden_size,
        "classifier_size": shape.classifier_size,
        "siamese": shape.siamese,
        "max_position_embeddings": longest,
        "pad_token_id": shape.pad_id,
    }


def _head(model: MobileBertClassifier | TwoTowerClassifier | BertClassifier) -> str:
    return "TokenClassification" if model.config.by_word else "SequenceClassification"


def _mobilebert(model: MobileBertClassifier | TwoTowerClassifier) -> dict[str, Any]:
    shape = model.config
    # transformers has no two towers: its loaders open the tokenizer and pass over the rest.
    towers = isinstance(model, TwoTowerClassifier)
    named = {} if towers else {"architectures": [f"MobileBertFor{_head(model)}"]}
    return {
        **named,
        "model_type": "mobilebert-two-towers" if towers else "mobilebert",
        "intra_bottleneck_size": shape.bottleneck_size,
        "num_feedforward_networks": len(shape.layers[0].feed_forwards),
        "normalization_type": shape.norm,
        "classifier_activation": False,
    }


def _bert(model: BertClassifier) -> dict[str, Any]:
    return {
        "architectures": [f"BertFor{_head(model)}"],
        "model_type": "bert",
        "layer_norm_eps": model.config.layer_norm_eps,
        "position_embedding_type": "absolute",
    }
