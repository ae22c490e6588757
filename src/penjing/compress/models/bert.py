"""BERT (Devlin et al. 2018, arXiv 1810.04805) in plain torch: the shape of a student that is cut out of its teacher.

Heads and feed-forward widths may differ from layer to layer, and the word table may be narrower than the hidden states
(then one projection widens it). Module names equal those of `transformers`, so a teacher's weights load as they are.
Left out: the masked-LM head, dropout, decoders and relative positions; the form for devices is `folded_bert.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from ...runtime.errors import PruningError
from .encoder import Encoder, EncoderOutput, LayerShape, Pooler, attend, read_layers

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}


@dataclass(frozen=True)
class BertShape:
    """Shape of the classifier. `layers` has one entry a layer; `embedding_size` is the word table's width.

    `by_word`: the head reads every token, and there is no pooler, as in transformers' classifier of tokens.
    """

    layers: tuple[LayerShape, ...]
    vocab_size: int
    hidden_size: int
    embedding_size: int
    max_positions: int
    type_vocab_size: int = 2
    activation: str = "gelu"
    layer_norm_eps: float = 1e-12
    pad_id: int = 0
    by_word: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> BertShape:
        return BertShape(**read_layers(raw))


class Embeddings(nn.Module):
    """Word, position and type rows, summed and normed: [batch, sequence] -> [batch, sequence, hidden]."""

    def __init__(self, config: BertShape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_id)
        self.position_embeddings = nn.Embedding(config.max_positions, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        if config.embedding_size != config.hidden_size:
            self.word_projection = nn.Linear(config.embedding_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        words = self.word_embeddings(input_ids)
        words = self.word_projection(words) if hasattr(self, "word_projection") else words
        positions = self.position_embeddings.weight[: input_ids.shape[1]]
        out: Tensor = self.LayerNorm(words + positions + self.token_type_embeddings(token_type_ids))
        return out


class SelfAttention(nn.Module):
    """Queries, keys, values and the weighted sum; scores are returned for attention transfer."""

    def __init__(self, config: BertShape, shape: LayerShape) -> None:
        super().__init__()
        self.heads, self.head_size = shape.heads, shape.head_size
        width = shape.heads * shape.head_size
        self.query = nn.Linear(config.hidden_size, width)
        self.key = nn.Linear(config.hidden_size, width)
        self.value = nn.Linear(config.hidden_size, width)

    def forward(self, x: Tensor, mask_scores: Tensor) -> tuple[Tensor, Tensor]:
        return attend(self.query(x), self.key(x), self.value(x), mask_scores, self.heads)


class NormedOutput(nn.Module):
    """Linear, residual, layer norm."""

    def __init__(self, config: BertShape, inputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dense(x) + residual)
        return out


class Attention(nn.Module):
    """Self-attention and its output projection."""

    def __init__(self, config: BertShape, shape: LayerShape) -> None:
        super().__init__()
        self.self = SelfAttention(config, shape)
        self.output = NormedOutput(config, shape.heads * shape.head_size)


class Intermediate(nn.Module):
    """First half of the feed-forward."""

    def __init__(self, config: BertShape, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, width)
        self.activation = ACTIVATIONS[config.activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.dense(x))


class Layer(nn.Module):
    """One BERT layer: [batch, sequence, hidden] to the same shape, and the attention scores."""

    def __init__(self, config: BertShape, shape: LayerShape) -> None:
        super().__init__()
        (width,) = shape.feed_forwards
        self.attention = Attention(config, shape)
        self.intermediate = Intermediate(config, width)
        self.output = NormedOutput(config, width)

    def stacked(self) -> list[tuple[Intermediate, NormedOutput]]:
        """Both halves of each feed-forward: one pair, in the form that MobileBERT's layers have too."""
        return [(self.intermediate, self.output)]

    def forward(self, x: Tensor, mask_scores: Tensor) -> tuple[Tensor, Tensor]:
        context, scores = self.attention.self(x, mask_scores)
        h = self.attention.output(context, x)
        y: Tensor = self.output(self.intermediate(h), h)
        return y, scores


class Bert(nn.Module):
    """The encoder. `forward` gives all hidden states and attention scores."""

    def __init__(self, config: BertShape) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(Layer(config, shape) for shape in config.layers)
        if not config.by_word:
            self.pooler = Pooler(config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> EncoderOutput:
        out: EncoderOutput = self.encoder(self.embeddings(input_ids, token_type_ids), attention_mask)
        return out


class BertClassifier(nn.Module):
    """Encoder, pooler and linear head: ids, mask, types [batch, sequence] -> logits [batch, labels].

    With `config.by_word`, without a pooler, [batch, sequence, labels].
    """

    def __init__(self, config: BertShape, num_labels: int) -> None:
        super().__init__()
        self.config, self.num_labels = config, num_labels
        self.bert = Bert(config)
        self.classifier = nn.Linear(config.hidden_size, num_labels)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, with_layers: bool = False
    ) -> Any:
        """The logits; with `with_layers`, a pair of logits and EncoderOutput (for distillation)."""
        layers = self.bert(input_ids, attention_mask, token_type_ids)
        states = layers.hidden[-1]
        logits = self.classifier(states if self.config.by_word else self.bert.pooler(states[:, 0]))
        return (logits, layers) if with_layers else logits


def bert_from_teacher(teacher: Any) -> BertClassifier:
    """Our own form of a fine-tuned `transformers` BERT classifier: the same weights, the same logits.

    Raises PruningError when the teacher is of another architecture, which cannot be cut as BERT.
    """
    source = teacher.config
    if source.model_type != "bert" or getattr(source, "position_embedding_type", "absolute") != "absolute":
        raise PruningError(
            f"the teacher is a {source.model_type} model: student.architecture 'bert' cuts a student out of BERT"
            " models with absolute positions; take 'mobilebert' for others"
        )
    heads = source.num_attention_heads
    shape = LayerShape(heads, source.hidden_size // heads, (source.intermediate_size,))
    config = BertShape(
        layers=(shape,) * source.num_hidden_layers, vocab_size=source.vocab_size, hidden_size=source.hidden_size,
        embedding_size=source.hidden_size, max_positions=source.max_position_embeddings,
        type_vocab_size=source.type_vocab_size, activation=_activation(source.hidden_act),
        layer_norm_eps=source.layer_norm_eps, pad_id=source.pad_token_id or 0,
        by_word=type(teacher).__name__.endswith("ForTokenClassification"),
    )  # fmt: skip
    model = BertClassifier(config, source.num_labels)
    own = model.state_dict()
    model.load_state_dict({name: value for name, value in teacher.state_dict().items() if name in own})
    return model.eval()


def _activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise PruningError(f"the teacher's activation is {name!r}: a student can be cut out of {sorted(ACTIVATIONS)}")
    return name
