"""The BiLSTM's form for devices: the same function without packed sequences, which no exporter knows.

The tables are one, side by side, and an LSTM's two biases are added up. Both directions are one operator,
`penjing::bilstm`: the last states of a stretch of each text, so that padding is never read. ONNX gets its LSTM for it,
which takes the lengths; TFLite gets a loop over the words there are (`export/loop_lstm.py`). Left out: training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .bilstm import BiLstmClassifier, features, sentence_spans, shifted

LSTM_SINCE = 14
"""The opset in which ONNX's LSTM last changed before those that recipes may ask for."""


class ShippedBiLstm(nn.Module):
    """Ids, mask, types [batch, sequence] -> logits [batch, labels], as `BiLstmClassifier` in eval mode."""

    def __init__(self, model: BiLstmClassifier) -> None:
        super().__init__()
        self.siamese, self.size = model.config.siamese, model.config.hidden_size
        rows = torch.cat([table.weight.detach() for table in model.tables()], dim=1)
        self.words = nn.Embedding(rows.shape[0], rows.shape[1], _weight=rows.clone())
        for direction, ending in (("forward", ""), ("backward", "_reverse")):
            weights = {name: getattr(model.lstm, f"{name}_l0{ending}").detach() for name in _PARTS}
            self.register_buffer(f"input_{direction}", weights["weight_ih"].clone())
            self.register_buffer(f"state_{direction}", weights["weight_hh"].clone())
            self.register_buffer(f"bias_{direction}", weights["bias_ih"] + weights["bias_hh"])
        for part, stacked in self._as_onnx().items():
            self.register_buffer(part, stacked)
        # In a list, and so one block for `export/diverge.py`: TFLite joins the two.
        self.layers, self.classifier = nn.ModuleList([nn.Sequential(model.hidden, nn.ReLU())]), model.classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        sentences = sentence_spans(attention_mask, token_type_ids, self.siamese)
        read = self._onnx_states if torch.onnx.is_in_onnx_export() else self._states
        logits: Tensor = self.classifier(self.layers[0](features(read(input_ids, sentences))))
        return logits

    def _states(self, ids: Tensor, sentences: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """[batch, 2 * hidden] of each sentence."""
        weights = [getattr(self, f"{part}_{way}") for way in ("forward", "backward") for part in _SHIPPED]
        return [bilstm(ids, start, count, self.words.weight, *weights) for start, count in sentences]

    def _onnx_states(self, ids: Tensor, sentences: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """The same as one LSTM node, whose batch is all first sentences, then all second ones."""
        rows = ids if len(sentences) == 1 else torch.cat([ids, shifted(ids, sentences[1][0])])
        counts = torch.cat([count for _, count in sentences])
        batch, length = rows.shape
        every = torch.onnx.ops.symbolic(
            "LSTM",
            # The operator refuses lengths of 0.
            [self.words(rows.t()), *(self.get_buffer(part) for part in "wrb"), counts.clamp(min=1).to(torch.int32)],
            {"direction": "bidirectional", "hidden_size": self.size},
            dtype=torch.float32,
            shape=(length, 2, batch, self.size),
            version=LSTM_SINCE,
        )
        # The backward direction ends at the first word.
        last = (counts - 1).clamp(min=0)[None, :, None].expand(1, batch, self.size)
        states = torch.cat([every[:, 0].gather(0, last)[0], every[0, 1]], dim=-1)
        states = states * (counts > 0).to(torch.float32)[:, None]
        return [states[: ids.shape[0]], states[ids.shape[0] :]][: len(sentences)]

    def _as_onnx(self) -> dict[str, Tensor]:
        """`w`, `r` and `b` with the directions stacked and the gates as ONNX has them: i, o, f, g."""

        def turned(part: str) -> Tensor:
            ways = []
            for way in ("forward", "backward"):
                i, f, g, o = getattr(self, f"{part}_{way}").chunk(4)
                ways.append(torch.cat([i, o, f, g]))
            return torch.stack(ways)

        bias = turned("bias")
        return {"w": turned("input"), "r": turned("state"), "b": torch.cat([bias, torch.zeros_like(bias)], dim=1)}


_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_SHIPPED = ("input", "state", "bias")


@torch.library.custom_op("penjing::bilstm", mutates_args=())
def bilstm(
    ids: Tensor,
    start: Tensor,
    count: Tensor,
    table: Tensor,
    input_forward: Tensor,
    state_forward: Tensor,
    bias_forward: Tensor,
    input_backward: Tensor,
    state_backward: Tensor,
    bias_backward: Tensor,
) -> Tensor:
    """The last states of both directions over `count` tokens of each row from `start` on, [batch, 2 * hidden].

    `ids` [batch, sequence], `start` and `count` [batch]; weights as torch's LSTM has them, gates i, f, g, o. Zeros for
    a count of 0.
    """
    forward = _last_state(ids, start, count, False, table, input_forward, state_forward, bias_forward)
    backward = _last_state(ids, start, count, True, table, input_backward, state_backward, bias_backward)
    return torch.cat([forward, backward], dim=-1)


@bilstm.register_fake
def _(ids: Tensor, start: Tensor, count: Tensor, table: Tensor, _w: Tensor, state: Tensor, *rest: Tensor) -> Tensor:
    return table.new_empty(ids.shape[0], 2 * state.shape[1])


def _last_state(
    ids: Tensor, start: Tensor, count: Tensor, backward: bool, table: Tensor, w: Tensor, r: Tensor, b: Tensor
) -> Tensor:
    h = c = table.new_zeros(ids.shape[0], r.shape[1])
    for step in range(int(count.max())):
        place = start + (count - 1 - step if backward else step)
        words = table[ids.gather(1, place.clamp(0, ids.shape[1] - 1)[:, None])[:, 0]]
        i, f, g, o = (words @ w.t() + h @ r.t() + b).chunk(4, dim=1)
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        live = (step < count)[:, None]
        c = torch.where(live, new, c)
        h = torch.where(live, o.sigmoid() * new.tanh(), h)
    return h
