"""Peak activation memory: the most that is alive at once while one image passes through, as a function of the units kept.

Operations run in the order of the graph, and every tensor lives from its operation to its last reader (liveness).  As inference
engines do, norms behind a convolution are folded into it, views cost nothing, and element-wise operations and sums write into an
operand that nobody reads afterwards.  With ``a_t`` the bytes of what no group holds, ``A_tg`` bytes per unit, alive at operation ``t``:

    memory(n) = max_t (a_t + sum_g A_tg n_g)          memory(n) <= limit   <=>   every row is

The limit is thus a set of linear ones.  The image itself counts; kernels' scratch space (im2col, Winograd) is the engine's and does not.
Source of the liveness rule: any register allocator; for networks Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
Inference", 2020, sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from easiedge.model import operations
from easiedge.model.filter_groups import analyse, components
from easiedge.model.labels import LabelPropagation
from easiedge.unit import FilterGroup

Array = NDArray[np.float64]
_IMAGES = 2  # `analyse` runs on two


@dataclass(frozen=True, eq=False)
class ActivationMemory:
    """Bytes alive at each operation that can be the peak.

    Attributes:
        constant: bytes that no group holds ``[operations]``.
        per_unit: bytes of one unit of each group ``[operations, groups]``.
        names: the operations ``[operations]``.
    """

    constant: Array
    per_unit: Array
    names: tuple[str, ...]

    def peak(self, kept: Array) -> float:
        """Bytes at the peak when each group keeps ``kept`` units ``[groups]``."""
        return float((self.constant + self.per_unit @ kept).max())

    def rows(self, which: NDArray[np.int64]) -> ActivationMemory:
        """The same at some of the operations."""
        return ActivationMemory(self.constant[which], self.per_unit[which], tuple(self.names[k] for k in which))


def peak_memory(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> int:
    """Bytes of activations at the peak of one forward pass of one image."""
    walk = analyse(model, example_inputs)[0]
    nobody = np.full(walk.count, -1, dtype=np.int64)
    return round(_alive(walk, nobody, np.zeros(0), _element(model)).peak(np.zeros(0)))


def activation_memory(
    model: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor | tuple[Tensor, ...]
) -> ActivationMemory:
    """Read the memory function off a network; operations that never are the peak are left out."""
    walk = analyse(model, example_inputs)[0]
    unit_of = components(walk)
    group_of = np.full(int(unit_of.max()) + 1, -1, dtype=np.int64)
    for g, group in enumerate(groups):
        member = group.members[0]
        labels = walk.members[member.layer, member.axis]
        group_of[unit_of[labels[member.index].numpy()]] = g
    sizes = np.array([g.size for g in groups], dtype=np.float64)
    return _undominated(_alive(walk, group_of[unit_of], sizes, _element(model)))


def _element(model: nn.Module) -> int:
    """Bytes of one number of an activation: as of the first weight."""
    return next((p.element_size() for p in model.parameters()), 4)


def _alive(walk: LabelPropagation, group_of: NDArray[np.int64], sizes: Array, element: int) -> ActivationMemory:
    """Bytes alive at every operation; ``group_of`` is the group of each label, -1 for none, and ``sizes`` the groups' units."""
    nodes = list(walk.traced.graph.nodes)
    buffer = _buffers(walk, nodes)
    last: dict[fx.Node, int] = {}
    for at, n in enumerate(nodes):
        for used in (n, *n.all_input_nodes):
            if used in buffer:
                last[buffer[used]] = at
    size = {b: _size(walk, b, group_of, sizes, element) for b in dict.fromkeys(buffer.values())}
    rows, names, alive, now = [], [], set[fx.Node](), np.zeros(1 + len(sizes))
    for at, n in enumerate(nodes):
        new = buffer.get(n)
        if new is not None and new not in alive:
            alive.add(new)
            now = now + size[new]
        rows.append(now)
        names.append(n.name)
        for b in [b for b in alive if last[b] <= at]:
            alive.remove(b)
            now = now - size[b]
    table = np.array(rows)
    return ActivationMemory(table[:, 0], table[:, 1:], tuple(names))


def _buffers(walk: LabelPropagation, nodes: Sequence[fx.Node]) -> dict[fx.Node, fx.Node]:
    """The node whose memory each tensor lies in: its own, or that of an operand that it is a view of or written into."""
    position = {n: i for i, n in enumerate(nodes)}
    buffer: dict[fx.Node, fx.Node] = {}
    until: dict[fx.Node, int] = {}  # last reader of each buffer so far
    for n in nodes:
        if n.op in ("output", "get_attr") or not (n in walk.shapes or isinstance(walk.labels.get(n), tuple | list)):
            continue  # weights are no activations
        operands = [a for a in n.all_input_nodes if a in buffer]
        over = None
        if operands and _is_view(n, walk):
            over = buffer[operands[0]]
        elif operands and _in_place(n, walk):
            same = [a for a in operands if walk.shapes.get(a) == walk.shapes.get(n)]
            over = next((buffer[a] for a in same if until[buffer[a]] <= position[n]), None)
        buffer[n] = n if over is None else over
        end = max((position[u] for u in n.users), default=position[n])
        until[buffer[n]] = max(until.get(buffer[n], -1), end)
    return buffer


def _is_view(n: fx.Node, walk: LabelPropagation) -> bool:
    """Operations that only look at their operand otherwise, and norms that inference folds into the layer before them."""
    kind = operations.kind(n, walk.modules)
    if kind == "shape":
        return n.target not in (torch.cat, torch.concat, torch.concatenate)
    if n.op != "call_module":
        return n.target in ("contiguous", "detach")
    module = walk.modules[str(n.target)]
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):  # of which it is the only reader
        source: fx.Node = n.all_input_nodes[0]
        before = walk.modules.get(str(source.target)) if source.op == "call_module" else None
        return isinstance(before, (*operations.CONVOLUTIONS, nn.Linear)) and len(source.users) == 1
    return isinstance(module, nn.Identity | nn.Unflatten) or type(module).__name__.startswith(
        ("Dropout", "StochasticDepth", "DropBlock")
    )


def _in_place(n: fx.Node, walk: LabelPropagation) -> bool:
    return operations.kind(n, walk.modules) in ("elementwise", "norm", "sum", "product", "quotient")


def _size(walk: LabelPropagation, n: fx.Node, group_of: NDArray[np.int64], sizes: Array, element: int) -> Array:
    """Bytes of a node's tensor for one image: what no group holds, then per unit of each group ``[1 + groups]``."""
    result = np.zeros(1 + len(sizes))
    if n not in walk.shapes:  # several tensors: the pieces of a split are views
        return result
    labels: Any = walk.labels[n]
    each = walk.shapes[n].numel() * element / _IMAGES / labels.numel()
    result += np.bincount(group_of[labels.reshape(-1).numpy()] + 1, minlength=1 + len(sizes)) * each
    result[1:] /= sizes
    return result


def _undominated(memory: ActivationMemory) -> ActivationMemory:
    """Without operations at which another one has at least as much of everything."""
    table = np.concatenate([memory.constant[:, None], memory.per_unit], 1)
    keep: list[int] = []
    for t in np.argsort(-table.sum(1), kind="stable"):
        if not any((table[k] >= table[t] - 1e-9).all() for k in keep):
            keep.append(int(t))
    keep.sort()
    return memory.rows(np.array(keep, dtype=np.int64))
