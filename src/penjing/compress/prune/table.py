"""A plan as a table: layer by layer what is kept of what, and what that saves. Left out: printing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .costs import Cost, LatencyTable, cost_of, shape_after, with_units
from .make_plan import rows_left
from .plan import PruningPlan
from .units import Shape
from .widths import shape_with

COLUMNS = ("part", "kept", "of", "saves parameters", "saves MACs", "saves ms")


def plan_rows(
    plan: PruningPlan, shape: Shape, num_labels: int, sequence_length: int, table: LatencyTable | None = None
) -> list[tuple[str, ...]]:
    """Rows under `COLUMNS` for a plan of a model of this `shape`, in the order in which the parts take effect.

    Each row's savings are those of its own cut, made after the cuts above it, so that they add up to the last row.
    Milliseconds are given where there is a latency table.
    """

    def cost(now: Shape) -> Cost:
        return cost_of(now, num_labels, sequence_length, table)

    rows, dense, now = [], cost(shape), shape
    for name, size in plan.widths.items():
        before, old = cost(now), getattr(now, f"{name}_size")
        now = shape_with(now, {name: size})
        rows.append(_row(f"{name} width", str(size), str(old), before, cost(now)))
    before, count = cost(now), len(now.layers)
    if len(plan.layers) < count:
        now = replace(now, layers=tuple(now.layers[i] for i in plan.layers))
        rows.append(_row("layers", " ".join(map(str, plan.layers)), str(count), before, cost(now)))
    for position, index in enumerate(plan.layers):
        for part, after in _unit_steps(plan, now, position):
            kept, of = (_counts(s, position, part) for s in (after, now))
            rows.append(_row(f"layer {index}: {part}", kept, of, cost(now), cost(after)))
            now = after
    if plan.vocabulary is not None:
        before = cost(now)
        now = rows_left(now, plan.vocabulary)
        rows.append(_row("vocabulary rows", str(now.vocab_size), str(plan.vocabulary.old_size), before, cost(now)))
    return [*rows, _row("all", "", "", dense, cost(now))]


def shape_of_plan(plan: PruningPlan, shape: Shape) -> Shape:
    """The shape that a model of this `shape` has after the plan."""
    narrow = shape_with(shape, plan.widths)
    left = shape_after(replace(narrow, layers=tuple(narrow.layers[i] for i in plan.layers)), plan.masks)
    return rows_left(left, plan.vocabulary)


def _unit_steps(plan: PruningPlan, shape: Shape, position: int) -> Sequence[tuple[str, Shape]]:
    """The shape with one layer's heads cut, then with its neurons cut too."""
    target = shape_after(shape, plan.masks).layers[position]
    heads = [layer.heads for layer in shape.layers]
    neurons = [layer.feed_forwards for layer in shape.layers]
    heads[position] = target.heads
    first = with_units(shape, heads, neurons)
    neurons[position] = target.feed_forwards
    return ("heads", first), ("neurons", with_units(shape, heads, neurons))


def _counts(shape: Shape, position: int, part: str) -> str:
    layer = shape.layers[position]
    return str(layer.heads) if part == "heads" else " ".join(map(str, layer.feed_forwards))


def _row(part: str, kept: str, of: str, before: Cost, after: Cost) -> tuple[str, ...]:
    saved = [f"{before.parameters - after.parameters:,}", f"{before.macs - after.macs:,}"]
    if before.latency_ms is None or after.latency_ms is None:
        return part, kept, of, *saved, ""
    return part, kept, of, *saved, f"{before.latency_ms - after.latency_ms:.2f}"
