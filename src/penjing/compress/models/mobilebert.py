"""MobileBERT (Sun et al. 2020, arXiv 2004.02984, section 3): our student, in plain torch.

Bottlenecks, stacked feed-forwards, NoNorm, trigram embedding and the shared query/key bottleneck, with module names
equal to the published checkpoint's, so that `state_dict` needs no translation. Heads and feed-forward widths may differ
from layer to layer. Left out: the masked-LM and next-sentence heads, dropout (published hidden dropout is 0), the form
for devices (`folded.py`), and files (`checkpoint.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encoder import Encoder, EncoderOutput, LayerShape, Pooler, attend, read_layers


@dataclass(frozen=True)
class MobileBertConfig:
    """Shape of the encoder. `layers` has one entry a layer.

    `attention_input` says what queries, keys and values read: "shared" (published OPT model: queries and keys a second
    bottleneck, values the block input), "bottleneck" (TINY: all read the first one) or "block" (IB-BERT teacher).
    `by_word`: the head reads every token, not [CLS] alone.
    """

    layers: tuple[LayerShape, ...]
    vocab_size: int = 30522
    hidden_size: int = 512
    embedding_size: int = 128
    bottleneck_size: int = 128
    max_positions: int = 512
    type_vocab_size: int = 2
    attention_input: str = "shared"
    norm: str = "no_norm"
    activation: str = "relu"
    pooler: bool = False
    layer_norm_eps: float = 1e-12
    pad_id: int = 0
    by_word: bool = False

    @staticmethod
    def uniform(
        count: int, *, heads: int, head_size: int, feed_forwards: int, intermediate_size: int, **rest: Any
    ) -> MobileBertConfig:
        """A configuration whose layers are all alike."""
        shape = LayerShape(heads, head_size, (intermediate_size,) * feed_forwards)
        return MobileBertConfig(layers=(shape,) * count, **rest)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: dict[str, Any]) -> MobileBertConfig:
        return MobileBertConfig(**read_layers(raw))


MOBILEBERT = MobileBertConfig.uniform(24, heads=4, head_size=32, feed_forwards=4, intermediate_size=512)
MOBILEBERT_TINY = MobileBertConfig.uniform(
    24, heads=4, head_size=32, feed_forwards=2, intermediate_size=512, attention_input="bottleneck"
)
IB_BERT_TEACHER = MobileBertConfig.uniform(
    24, heads=4, head_size=256, feed_forwards=1, intermediate_size=4096, bottleneck_size=1024,
    attention_input="block", norm="layer_norm", activation="gelu", pooler=True,
)  # fmt: skip


class NoNorm(nn.Module):
    """gamma * x + beta, element by element, without statistics (section 3.3)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


def _norm(config: MobileBertConfig, size: int) -> nn.Module:
    return NoNorm(size) if config.norm == "no_norm" else nn.LayerNorm(size, eps=config.layer_norm_eps)


class NormedLinear(nn.Module):
    """Linear, an optional residual, then the norm."""

    def __init__(self, config: MobileBertConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.LayerNorm = _norm(config, outputs)

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        y = self.dense(x)
        out: Tensor = self.LayerNorm(y if residual is None else y + residual)
        return out


class Embeddings(nn.Module):
    """Word table, the neighbours' rows beside it (trigram), projection to the hidden size, position and type."""

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_id)
        self.position_embeddings = nn.Embedding(config.max_positions, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.embedding_transformation = nn.Linear(3 * config.embedding_size, config.hidden_size)
        self.LayerNorm = _norm(config, config.hidden_size)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        words = self.word_embeddings(input_ids)
        following = F.pad(words[:, 1:], (0, 0, 0, 1))
        previous = F.pad(words[:, :-1], (0, 0, 1, 0))
        x = self.embedding_transformation(torch.cat([following, words, previous], dim=2))
        positions = self.position_embeddings.weight[: input_ids.shape[1]]
        out: Tensor = self.LayerNorm(x + positions + self.token_type_embeddings(token_type_ids))
        return out


class SelfAttention(nn.Module):
    """Query, key and value projections and the weighted sum; scores are returned for attention transfer."""

    def __init__(self, config: MobileBertConfig, shape: LayerShape) -> None:
        super().__init__()
        inner, outer = config.bottleneck_size, config.hidden_size
        query_input = outer if config.attention_input == "block" else inner
        value_input = inner if config.attention_input == "bottleneck" else outer
        width = shape.heads * shape.head_size
        self.heads, self.head_size = shape.heads, shape.head_size
        self.query = nn.Linear(query_input, width)
        self.key = nn.Linear(query_input, width)
        self.value = nn.Linear(value_input, width)

    def forward(self, query_input: Tensor, value_input: Tensor, mask_scores: Tensor) -> tuple[Tensor, Tensor]:
        query, key = self.query(query_input), self.key(query_input)
        return attend(query, key, self.value(value_input), mask_scores, self.heads)


class Attention(nn.Module):
    """Self-attention and its output projection, with the bottleneck as residual."""

    def __init__(self, config: MobileBertConfig, shape: LayerShape) -> None:
        super().__init__()
        self.self = SelfAttention(config, shape)
        self.output = NormedLinear(config, shape.heads * shape.head_size, config.bottleneck_size)


class Intermediate(nn.Module):
    """First half of a feed-forward."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.activation = F.relu if activation == "relu" else F.gelu

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.dense(x))


class FeedForward(nn.Module):
    """One of the stacked feed-forwards; `Layer` runs them: up, activation, down, residual, norm."""

    def __init__(self, config: MobileBertConfig, width: int) -> None:
        super().__init__()
        self.intermediate = Intermediate(config.bottleneck_size, width, config.activation)
        self.output = NormedLinear(config, width, config.bottleneck_size)


class Bottleneck(nn.Module):
    """The way into the block: one projection for the residual and, if shared, one for queries and keys."""

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.input = NormedLinear(config, config.hidden_size, config.bottleneck_size)
        if config.attention_input == "shared":
            self.attention = NormedLinear(config, config.hidden_size, config.bottleneck_size)


class LastFeedForwardOutput(NormedLinear):
    """The last feed-forward's second half; the published names keep the way out of the block inside it."""

    def __init__(self, config: MobileBertConfig, width: int) -> None:
        super().__init__(config, width, config.bottleneck_size)
        self.bottleneck = NormedLinear(config, config.bottleneck_size, config.hidden_size)


class Layer(nn.Module):
    """One MobileBERT block: [batch, sequence, hidden] to the same shape, and the attention scores."""

    def __init__(self, config: MobileBertConfig, shape: LayerShape) -> None:
        super().__init__()
        *stacked, last = shape.feed_forwards
        self.attention_input = config.attention_input
        self.bottleneck = Bottleneck(config)
        self.attention = Attention(config, shape)
        self.ffn = nn.ModuleList(FeedForward(config, width) for width in stacked)
        self.intermediate = Intermediate(config.bottleneck_size, last, config.activation)
        self.output = LastFeedForwardOutput(config, last)

    def stacked(self) -> list[tuple[Intermediate, NormedLinear]]:
        """Both halves of each feed-forward, in order."""
        first = [cast(FeedForward, f) for f in self.ffn]
        return [*((f.intermediate, f.output) for f in first), (self.intermediate, self.output)]

    def forward(self, x: Tensor, mask_scores: Tensor) -> tuple[Tensor, Tensor]:
        inner = self.bottleneck.input(x)
        shared = self.bottleneck.attention(x) if self.attention_input == "shared" else None
        query_input = {"shared": shared, "bottleneck": inner, "block": x}[self.attention_input]
        value_input = inner if self.attention_input == "bottleneck" else x
        context, scores = self.attention.self(query_input, value_input, mask_scores)
        h = self.attention.output(context, inner)
        for up, down in self.stacked():
            h = down(up(h), h)
        return self.output.bottleneck(h, x), scores


class MobileBert(nn.Module):
    """The encoder. `forward` gives all hidden states and attention scores."""

    def __init__(self, config: MobileBertConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(Layer(config, shape) for shape in config.layers)
        if config.pooler:
            self.pooler = Pooler(config.hidden_size)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> EncoderOutput:
        out: EncoderOutput = self.encoder(self.embeddings(input_ids, token_type_ids), attention_mask)
        return out


class MobileBertClassifier(nn.Module):
    """Encoder and linear head on [CLS]: ids, mask, types [batch, sequence] -> logits [batch, labels].

    With `config.by_word` the head is on every token: [batch, sequence, labels].
    """

    def __init__(self, config: MobileBertConfig, num_labels: int) -> None:
        super().__init__()
        self.config, self.num_labels = config, num_labels
        self.mobilebert = MobileBert(config)
        self.classifier = nn.Linear(config.hidden_size, num_labels)
        self.apply(initialize)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, with_layers: bool = False
    ) -> Any:
        """The logits; with `with_layers`, a pair of logits and EncoderOutput (for distillation)."""
        layers = self.mobilebert(input_ids, attention_mask, token_type_ids)
        read = layers.hidden[-1] if self.config.by_word else layers.hidden[-1][:, 0]
        if self.config.pooler:
            read = self.mobilebert.pooler(read)
        logits = self.classifier(read)
        return (logits, layers) if with_layers else logits


def initialize(module: nn.Module) -> None:
    """The published start of a module's own weights."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.trunc_normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding) and module.padding_idx is not None:
        # The trigram reads its neighbours: only a zero row makes a padded text equal to the same text alone.
        module.weight.data[module.padding_idx].zero_()
