"""The `config.json` with which Hugging Face loaders open a bundle.

transformers knows one width for all layers: where layers differ, `layer_shapes` has the truth and the usual keys that
of the first layer. Left out: weights; loaders run the bundle's ONNX file.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..compress.models.bert import BertClassifier
from ..compress.models.mobilebert import MobileBertClassifier
from .sections import Recipe


def transformers_config(recipe: Recipe, model: MobileBertClassifier | BertClassifier) -> dict[str, Any]:
    """Of a student of either architecture."""
    shape = model.config
    names = {str(i): name for i, name in enumerate(recipe.task.labels)}
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
        "problem_type": "single_label_classification",
        "id2label": names,
        "label2id": {name: int(i) for i, name in names.items()},
    }


def _mobilebert(model: MobileBertClassifier) -> dict[str, Any]:
    shape = model.config
    return {
        "architectures": ["MobileBertForSequenceClassification"],
        "model_type": "mobilebert",
        "intra_bottleneck_size": shape.bottleneck_size,
        "num_feedforward_networks": len(shape.layers[0].feed_forwards),
        "normalization_type": shape.norm,
        "classifier_activation": False,
    }


def _bert(model: BertClassifier) -> dict[str, Any]:
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "layer_norm_eps": model.config.layer_norm_eps,
        "position_embedding_type": "absolute",
    }
