"""The BiLSTM's operator `penjing::bilstm` in TFLite: a WHILE loop that ends with the text.

litert-torch spells an LSTM out word by word, thousands of nodes for each length, padding among them. TFLite's own
sequence LSTM keeps its state from one text to the next until somebody resets it, which no caller of a bundle does. A
loop has neither fault: its size does not depend on the length, and it runs as often as there are words, whatever the
signature's length. Left out: batches, which TFLite files of ours have not.
"""

from __future__ import annotations

from typing import Any

import torch

OPERATOR = "bilstm"


def teach_litert_torch() -> None:
    """Tells litert-torch how to convert the operator; does nothing where no model has brought it."""
    if not hasattr(torch.ops.penjing, OPERATOR):
        return
    from litert_torch.backend import jax_bridge, lowerings

    lowerings.lower(getattr(torch.ops.penjing, OPERATOR).default)(jax_bridge.wrap(_last_states))


def _last_states(
    ids: Any, start: Any, count: Any, table: Any, wf: Any, rf: Any, bf: Any, wb: Any, rb: Any, bb: Any
) -> Any:
    """See the operator; `ids` [1, sequence], the rest as there. Written in jax, the converter's own language."""
    import jax
    from jax import numpy as jnp

    first, words = start[0].astype(jnp.int32), count[0].astype(jnp.int32)
    zero, zeros = jnp.int32(0), jnp.zeros((1, rf.shape[1]), jnp.float32)

    def cell(place: Any, h: Any, c: Any, w: Any, r: Any, b: Any) -> tuple[Any, Any]:
        word = jax.lax.dynamic_slice(ids, (zero, place), (1, 1), allow_negative_indices=False)[0]
        gates = jnp.take(table, word, axis=0, mode="clip") @ w.T + b + h @ r.T
        i, f, g, o = jnp.split(gates, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def step(state: Any) -> Any:
        done, hf, cf, hb, cb = state
        hf, cf = cell(first + done, hf, cf, wf, rf, bf)
        hb, cb = cell(first + words - 1 - done, hb, cb, wb, rb, bb)
        return done + 1, hf, cf, hb, cb

    _, hf, _, hb, _ = jax.lax.while_loop(lambda state: state[0] < words, step, (zero, *(zeros,) * 4))
    return jnp.concatenate([hf, hb], axis=1)
