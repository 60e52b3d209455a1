"""Operators that only move numbers: flatten, slices, padding, parts, concatenation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import fx, nn

from easiedge.deploy.c.lowering import Lowering
from easiedge.deploy.c.program import Channels, Memory, Value

_MOST = 32767  # channels that kernels/pick.c can count


def reshape(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """Flatten an image, or give a vector height and width of 1: nothing moves, the order is remembered instead."""
    x = job.operand(n)
    source = n.args[0]
    assert isinstance(source, fx.Node)
    before, after = tuple(job.shapes[source]), tuple(job.shapes[n])
    if before == after:
        return x
    if x.pixels == 1 and after[:2] == (before[0], x.channels):  # only ones come or go
        return Value(x.buffer, x.channels, order=x.order)
    if len(after) != 2 or after[0] != before[0]:
        raise job.refusal(n, f"makes {list(after[1:])} of {list(before[1:])}")
    if x.pixels == 1 or x.channels == 1:
        return Value(x.buffer, x.size, order=x.order)
    features = np.arange(x.size).reshape(x.channels, x.pixels).T.reshape(-1)  # the feature at each place
    return Value(x.buffer, x.size, order=features)


def getitem(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """A part of a chunk, or a slice of channels, rows and columns."""
    source, index = n.args[0], options["index"]
    assert isinstance(source, fx.Node)
    parts = job.values.get(source)
    if isinstance(parts, list):
        return parts[index]  # type: ignore[no-any-return]
    x, made = job.operand(n), job.new_like(n)
    index = index if isinstance(index, tuple) else (index,)
    sizes = (2, x.channels, x.height, x.width)
    if (
        len(job.shapes[source]) != 4
        or len(job.shapes[n]) != 4
        or not all(isinstance(i, slice) and (i.step or 1) > 0 for i in index)
        or range(*index[0].indices(2)) != range(2)
    ):
        raise job.refusal(n, f"takes {index}, more than slices of an image")
    taken = [range(*i.indices(size)) for i, size in zip(index, sizes, strict=False)]
    taken += [range(size) for size in sizes[len(taken) :]]
    job.note(f"slice {x} -> {made}")
    _pick(job, n, x, made, list(taken[1]), (taken[2].start, taken[3].start), (taken[2].step, taken[3].step))
    return made


def pad(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """Zeros around an image, before and after its channels."""
    x, made, amounts = job.operand(n), job.new_like(n), [int(a) for a in options["pad"]]
    if (
        options["mode"] != "constant"
        or options["value"] not in (None, 0)
        or len(job.shapes[n]) != 4
        or len(amounts) > 6
    ):
        raise job.refusal(n, "pads with more than zeros")
    amounts += [0] * (6 - len(amounts))
    job.note(f"zeros around {x} -> {made}")
    channels = [c if 0 <= c < x.channels else -1 for c in range(-amounts[4], x.channels + amounts[5])]
    _pick(job, n, x, made, channels, (-amounts[2], -amounts[0]), (1, 1))
    return made


def zero_pad(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """``nn.ZeroPad2d``."""
    layer = job.modules[str(n.target)]
    assert isinstance(layer, nn.ZeroPad2d)
    return pad(job, n, {"pad": layer.padding, "mode": "constant", "value": None})


def parts(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> list[Value]:
    """Chunks or splits of the channels."""
    x, source, begin, found = job.operand(n), n.args[0], 0, []
    assert isinstance(source, fx.Node)
    pieces = job.pieces[n]
    if len(job.shapes[source]) != 4 or any(p[0] != 2 or p[2:] != (x.height, x.width) for p in pieces):
        raise job.refusal(n, "splits something other than an image's channels")
    for size in (p[1] for p in pieces):
        made = job.new(size, x.height, x.width)
        _pick(job, n, x, made, list(range(begin, begin + size)), (0, 0), (1, 1))
        found.append(made)
        begin += size
    job.note(f"parts of {x}: {', '.join(str(v) for v in found)}")
    return found


def concatenation(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """Channels of several images, or vectors, behind one another."""
    sources, made = n.args[0], job.new_like(n)
    rank = len(job.shapes[n])
    if options["dim"] % rank != 1:
        raise job.refusal(n, "does not join channels")
    if isinstance(sources, fx.Node):  # all parts of a chunk
        read = job.values.get(sources)
    else:
        read = [job.values.get(s) if isinstance(s, fx.Node) else None for s in sources]  # type: ignore[union-attr]
    if not isinstance(read, list) or not all(isinstance(v, Value) for v in read):
        raise job.refusal(n, "reads something that is no activation")
    at, orders = 0, []
    for part in read:
        assert isinstance(part, Value)
        job.call(n, "join", part.pixels, part.channels, Memory(part.buffer), made.channels, Memory(made.buffer, at))
        orders.append(at + (np.arange(part.channels) if part.order is None else part.order))
        at += part.channels
    job.note(f"join {', '.join(str(v) for v in read)} -> {made}")
    plain = all(v.order is None for v in read if isinstance(v, Value))
    return made if plain else Value(made.buffer, made.channels, order=np.concatenate(orders))


def _pick(
    job: Lowering, n: fx.Node, x: Value, made: Value, channels: list[int], begin: tuple[int, int], step: tuple[int, int]
) -> None:
    if x.channels > _MOST:
        raise job.refusal(n, f"picks among more than {_MOST} channels")
    job.call(
        n, "pick", x.height, x.width, x.channels, *begin, *step, made.height, made.width, made.channels, Channels(tuple(channels)),
        Memory(x.buffer), Memory(made.buffer),
    )  # fmt: skip
