"""Follow every channel through a traced network: which channels are the same unit, and which must stay.

Each tensor in the graph carries an integer *label* for each of its entries, stored with size 1 along dimensions where it
does not change.  Convolutions and linear layers give their outputs new labels; operations that move data are run on the
labels themselves (so flatten, cat, transposes, channel shuffles and slices need no rule of their own); operations that
combine channels write down that two labels are the same unit.  Label 0 is *fixed*: the network's inputs and outputs, and
whatever flows through an operation that easiedge does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.model import operations
from easiedge.unit import Axis

FIXED = 0


def varying(labels: Tensor) -> list[int]:
    """Dimensions along which the labels change."""
    return [d for d, size in enumerate(labels.shape) if size > 1]


def compress(labels: Tensor) -> Tensor:
    """Cut every dimension along which the labels do not change to size 1."""
    for d in range(labels.ndim):
        if labels.shape[d] > 1 and bool((labels == labels.narrow(d, 0, 1)).all()):
            labels = labels.narrow(d, 0, 1)
    return labels


def along(labels: Tensor, shape: torch.Size, dim: int) -> Tensor:
    """The labels of a tensor of ``shape`` along ``dim``, ``[shape[dim]]``; the caller has checked that only ``dim`` varies."""
    return labels.expand(shape).movedim(dim, 0).reshape(shape[dim], -1)[:, 0]


def run_with(n: fx.Node, modules: Mapping[str, nn.Module], look: Callable[[fx.Node], Any]) -> Any:
    """Run the operation of a node on other arguments: ``look`` says what stands for each input node."""
    args, kwargs = fx.node.map_arg(n.args, look), fx.node.map_arg(n.kwargs, look)
    if n.op == "call_module":
        return modules[str(n.target)](*args, **kwargs)
    if n.op == "call_method":
        return getattr(args[0], str(n.target))(*args[1:], **kwargs)
    assert callable(n.target)
    return n.target(*args, **kwargs)


class LabelPropagation(fx.Interpreter):
    """Run a traced network on two images and record how its channels are tied.

    After ``run``:
        values, labels: shape of each node's tensor, and its labels.
        same: pairs of labels that are one unit (pairs with FIXED: never pruned).
        members: labels ``[channels]`` by (layer, axis), in forward order.
        reasons: why labels were fixed, by node name, for messages.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self.traced = traced
        self.modules = dict(traced.named_modules())
        self.shapes: dict[fx.Node, torch.Size] = {}
        self.labels: dict[fx.Node, Any] = {}
        self.same: list[Tensor] = []
        self.members: dict[tuple[str, Axis], Tensor] = {}
        self.kinds: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.first_call: dict[str, fx.Node] = {}
        self._floats: dict[fx.Node, bool] = {}
        self._next = FIXED + 1

    # -- labels ---------------------------------------------------------------------------------------------------

    def fresh(self, count: int) -> Tensor:
        """``count`` new labels."""
        first, self._next = self._next, self._next + count
        return torch.arange(first, self._next)

    @property
    def count(self) -> int:
        """Number of labels given out, FIXED included."""
        return self._next

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Write down that ``a[i]`` and ``b[i]`` are the same unit."""
        pairs = torch.stack([a.reshape(-1), b.reshape(-1)], 1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        if len(pairs):
            self.same.append(torch.unique(pairs, dim=0))

    def fix(self, labels: Any, node: fx.Node, why: str) -> None:
        """Never prune what carries these labels."""
        for tensor in _tensors(labels):
            found = torch.unique(tensor)
            if bool((found != FIXED).any()):
                self.reasons.setdefault(node.name, why)
            self.tie(found, torch.full_like(found, FIXED))

    def _register(self, layer: str, axis: Axis, kind: str, labels: Tensor) -> Tensor:
        known = self.members.get((layer, axis))
        if known is None:
            self.members[layer, axis] = labels
            self.kinds[layer] = kind
            return labels
        self.tie(known, labels)  # the layer is used again with the same weights
        return known

    # -- the walk -------------------------------------------------------------------------------------------------

    def run_node(self, n: fx.Node) -> Any:
        """Compute the node's value, then its labels."""
        inputs = {a: self.env[a] for a in n.all_input_nodes}
        shapes = {a: v.shape for a, v in inputs.items() if isinstance(v, Tensor)}
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = value.shape
            self._floats[n] = value.is_floating_point() or value.is_complex()
        self.labels[n] = self._label(n, value, shapes)
        return value

    def _label(self, n: fx.Node, value: Any, shapes: dict[fx.Node, torch.Size]) -> Any:
        kind = operations.kind(n, self.modules)
        self.first_call.setdefault(str(n.target), n)
        if kind == "shape" and any(a in shapes and not self._floats.get(a, True) for a in n.all_input_nodes):
            kind = "opaque"  # an index held by a tensor
        if n.op == "output":
            for a in n.all_input_nodes:
                self.fix(self.labels[a], n, "it is an output of the network")
            return None
        if n.op == "get_attr":
            return self._parameter(n, value)
        if kind == "shape":
            return self._shape(n)
        if not isinstance(value, Tensor):
            if kind != "size":
                self._opaque(n)
            return _fixed(value)
        if kind == "opaque":
            self._opaque(n)
        if kind in ("opaque", "placeholder", "size"):
            return _fixed(value)
        return getattr(self, f"_{kind}")(n, value, shapes)

    def _opaque(self, n: fx.Node) -> None:
        what = (
            type(self.modules[str(n.target)]).__name__
            if n.op == "call_module"
            else getattr(n.target, "__name__", n.target)
        )
        for a in n.all_input_nodes:
            self.fix(self.labels[a], n, f"it flows into {what}, through which easiedge does not follow channels")

    def _only(self, n: fx.Node, source: fx.Node, dim: int) -> Tensor:
        """Labels of ``source`` if they change along ``dim`` alone, else FIXED."""
        labels: Tensor = self.labels[source]
        dim = dim % labels.ndim
        if any(d != dim for d in varying(labels)):
            self.fix(labels, n, "its channels are spread over several dimensions there")
            return torch.full([1] * labels.ndim, FIXED)
        return labels

    def _parameter(self, n: fx.Node, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return None
        long = [d for d, size in enumerate(value.shape) if size > 1]
        if len(long) != 1 or value.ndim == 0 or not value.is_floating_point():
            return _fixed(value)
        labels = self._register(str(n.target), "out", "param", self.fresh(value.shape[long[0]]))
        return labels.reshape([-1 if d == long[0] else 1 for d in range(value.ndim)])

    # -- rules by kind --------------------------------------------------------------------------------------------

    def _conv(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        return self._weighted(n, value, shapes, 1, "conv")

    def _linear(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        return self._weighted(n, value, shapes, value.ndim - 1, "linear")

    def _weighted(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size], dim: int, kind: str) -> Tensor:
        module, source = self.modules[str(n.target)], _source(n)
        name = str(n.target)
        read = along(self._only(n, source, dim), shapes[source], dim)
        groups = getattr(module, "groups", 1)
        made = value.shape[dim]
        if operations.is_depthwise(module):
            out = self._register(name, "out", kind, read.repeat_interleave(made // len(read)))
        else:
            read = self._register(name, "in", kind, read)
            known = self.members.get((name, "out"))
            out = self._register(name, "out", kind, self.fresh(made)) if known is None else known
            if groups > 1:  # a convolution group lives or dies as a whole
                for block in (read.reshape(groups, -1), out.reshape(groups, -1)):
                    self.tie(block, out.reshape(groups, -1)[:, :1].expand_as(block))
        return out.reshape([made if d == dim else 1 for d in range(value.ndim)])

    def _norm(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        labels = self._only(n, _source(n), 1)
        self._register(str(n.target), "out", "norm", along(labels, value.shape, 1))
        return labels

    def _elementwise(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        labels: Tensor = self.labels[_source(n)]
        return labels

    def _pool(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        return self._only(n, _source(n), 1)

    def _sum(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        """Tie the channels that meet; an operand with one channel that meets many ties nothing, but stays."""
        operands = []
        for a in n.all_input_nodes:
            if a in shapes:
                lead = [1] * (value.ndim - len(shapes[a]))
                operands.append(([*lead, *shapes[a]], self.labels[a].reshape([*lead, *self.labels[a].shape])))
        channel_dims = {d for _, labels in operands for d in varying(labels)}
        full = []
        for shape, labels in operands:
            if all(shape[d] == value.shape[d] for d in channel_dims):
                full.append(labels)
            else:
                self.fix(labels, n, "it is broadcast over channels")
        if not full:
            return _fixed(value)  # type: ignore[no-any-return]
        result: Tensor = max(full, key=Tensor.numel)
        for labels in full:
            self.tie(*torch.broadcast_tensors(result, labels))
        return result

    _product = _sum
    _quotient = _sum

    def _reduction(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        """Mean or sum over positions: run on the labels; over channels it reads them all, so they stay."""
        source = _source(n)
        dims = n.kwargs.get("dim", n.args[1] if len(n.args) > 1 else None)
        if dims is None:
            self.fix(self.labels[source], n, "it is averaged over channels")
            return _fixed(value)
        ndim = len(shapes[source])
        over = {int(d) % ndim for d in ([dims] if isinstance(dims, int) else dims)}  # type: ignore[union-attr, arg-type, call-overload]
        if over & set(varying(self.labels[source])):
            self.fix(self.labels[source], n, "it is averaged over channels")
            return _fixed(value)
        labels: Tensor = self.labels[source].expand(
            [s if d in varying(self.labels[source]) else 1 for d, s in enumerate(shapes[source])]
        )
        keep = value.ndim == ndim
        return labels if keep else labels.squeeze(tuple(over))

    def _pad(self, n: fx.Node, value: Tensor, shapes: dict[fx.Node, torch.Size]) -> Tensor:
        """Zero padding of channels makes new units that other layers may be tied to; of positions it changes nothing."""
        source = _source(n)
        before = self._only(n, source, 1)
        mode = n.kwargs.get("mode", n.args[2] if len(n.args) > 2 else "constant")
        fill = n.kwargs.get("value", n.args[3] if len(n.args) > 3 else None)
        whole = value.ndim < 2 or value.shape[1] == shapes[source][1]
        if fill not in (None, 0, 0.0) or (mode != "constant" and not whole):
            self._opaque(n)
            return _fixed(value)
        if whole:
            return before
        amounts: Any = n.args[1] if len(n.args) > 1 else n.kwargs["pad"]
        front = amounts[2 * (value.ndim - 2)]
        out = self.fresh(value.shape[1])
        out[front : front + shapes[source][1]] = along(before, shapes[source], 1)
        return out.reshape([-1 if d == 1 else 1 for d in range(value.ndim)])

    def _shape(self, n: fx.Node) -> Any:
        """Run the operation on the labels, expanded to the true shape of its tensors."""
        first: Any = n.args[0]
        if not isinstance(first, tuple | list):
            if isinstance(self.labels[first], tuple | list):  # picking one piece of a split
                return self.labels[first][n.args[1]]
            if first not in self.shapes:  # picking a number out of a shape
                return None
        result = run_with(
            n,
            self.modules,
            lambda a: self.labels[a].expand(self.shapes[a]).contiguous() if a in self.shapes else self.env[a],
        )
        many = any(varying(self.labels[a]) for a in n.all_input_nodes if a in self.shapes)
        if isinstance(result, Tensor):
            return self._checked(n, compress(result), many)
        return tuple(self._checked(n, compress(r), many) for r in result)

    def _checked(self, n: fx.Node, labels: Tensor, many: bool) -> Tensor:
        """Fix labels that no removal could follow: spread over several dimensions, or one channel picked out of many."""
        if many and not varying(labels):
            self.fix(labels, n, "a single channel is picked out there")
        if len(varying(labels)) > 1 or 0 in varying(labels):
            self.fix(labels, n, "its channels are spread over several dimensions there")
            return torch.full([1] * labels.ndim, FIXED)
        return labels


def _source(n: fx.Node) -> fx.Node:
    return n.all_input_nodes[0]


def _tensors(labels: Any) -> list[Tensor]:
    if isinstance(labels, Tensor):
        return [labels]
    return [t for part in labels for t in _tensors(part)] if isinstance(labels, tuple | list) else []


def _fixed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.full([1] * value.ndim, FIXED)
    return tuple(_fixed(v) for v in value) if isinstance(value, tuple | list) else None
