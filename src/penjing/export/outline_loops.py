"""Loops of a converted model in the form in which a TFLite file can hold them: each part a graph of its own.

litert-torch converts a loop but leaves its condition and its body inside the operator, where they read values from
around it; the writer of the file then fails without a word. Here constants go inside, other values from around ride
through the loop unchanged, and both parts become functions. TensorFlow's converter has a pass for this, which
litert-torch neither runs nor offers. Left out: loops inside loops.
"""

from __future__ import annotations

from typing import Any

WHILE, YIELD = "tfl.while", "tfl.yield"
CONSTANTS = ("arith.constant", "tfl.pseudo_const", "tfl.no_value")


def outline_loops(converted: Any) -> int:
    """Does this to every loop of a model that litert-torch has converted, in place, and says how many there were."""
    module = converted._exporter.module
    functions = list(module.body.operations)
    loops = [inner for function in functions for inner in _inside(function) if inner.name == WHILE]
    with module.context:
        for number, loop in enumerate(loops):
            with loop.location:
                _outline(module, loop, number)
    return len(loops)


def _inside(function: Any) -> list[Any]:
    return [inner.operation for region in function.regions for block in region.blocks for inner in block.operations]


def _outline(module: Any, loop: Any, number: int) -> None:
    from litert_converter.mlir import ir

    blocks = [region.blocks[0] for region in loop.regions]
    passengers: list[Any] = []
    for block in blocks:
        _sink_constants(block)
        for _, _, value in _from_around(block):
            passengers += [value] if value not in passengers else []
    carried = [*loop.operands, *passengers]
    attributes = {name: loop.attributes[name] for name in loop.attributes}
    new = ir.Operation.create(
        WHILE, [value.type for value in carried], carried, attributes, regions=2, ip=ir.InsertionPoint(loop)
    )
    for part, block, region in zip(("condition", "body"), blocks, new.regions, strict=True):
        riders = [block.add_argument(value.type, loop.location) for value in passengers]
        for operation, index, value in _from_around(block):
            operation.operands[index] = riders[passengers.index(value)]
        _as_function(module, f"loop_{number}_{part}", block, riders if part == "body" else [], region)
    for old, result in zip(loop.results, new.results, strict=False):
        old.replace_all_uses_with(result)
    loop.erase()


def _from_around(block: Any) -> list[tuple[Any, int, Any]]:
    """Every place in the block (operation, number of the operand) that reads a value made outside of it."""
    own = [*block.arguments, *(result for operation in block.operations for result in operation.results)]
    return [
        (operation.operation, index, value)
        for operation in block.operations
        for index, value in enumerate(operation.operands)
        if value not in own
    ]


def _sink_constants(block: Any) -> None:
    """Copies the constants that the block reads from around it to its beginning."""
    from litert_converter.mlir import ir

    copies: list[tuple[Any, Any]] = []
    for operation, index, value in _from_around(block):
        owner = None if isinstance(value, ir.BlockArgument) else value.owner
        if owner is None or owner.name not in CONSTANTS:
            continue
        copy = next((copy for known, copy in copies if known == value), None)
        if copy is None:
            copy = owner.operation.clone(ip=ir.InsertionPoint.at_block_begin(block)).results[0]
            copies.append((value, copy))
        operation.operands[index] = copy
    for value, _ in copies:
        if not list(value.uses):
            value.owner.erase()


def _as_function(module: Any, name: str, block: Any, riders: list[Any], region: Any) -> None:
    """Moves the block into a function of this name, which also returns `riders`; `region` calls it instead."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import func

    last = block.operations[len(block.operations) - 1]
    returned = [*last.operands, *riders]
    inputs, outputs = [value.type for value in block.arguments], [value.type for value in returned]
    with ir.InsertionPoint(module.body):
        function = func.FuncOp(name, ir.FunctionType.get(inputs, outputs), visibility="private")
    with ir.InsertionPoint(last):
        func.ReturnOp(returned)
    last.erase()
    block.append_to(function.regions[0])
    caller = region.blocks.append(*inputs)
    with ir.InsertionPoint(caller):
        call = func.CallOp(function, list(caller.arguments))
        ir.Operation.create(YIELD, operands=list(call.results))
