"""Rewrite sizes that a forward has written into it, after channels were removed."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx

from easiedge.errors import ModelError
from easiedge.model import operations
from easiedge.model.labels import LabelPropagation, along, run_with, varying


class Rewriter(fx.Interpreter):
    """Run the compact network node by node and mend each shape operation just before it runs.

    A shape operation is right when, run on the labels of the kept channels, it gives the kept labels of its output.
    """

    def __init__(self, compact: fx.GraphModule, walk: LabelPropagation, kept: Tensor, unit_of: Tensor) -> None:
        super().__init__(compact, garbage_collect_values=True)
        self.walk, self.kept, self.unit_of = walk, kept, unit_of
        self.modules = dict(compact.named_modules())
        self.before = {n.name: n for n in walk.labels}
        self.shapes: dict[fx.Node, torch.Size] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Mend the node if it needs it, then run it."""
        kind = operations.kind(n, self.modules)
        if kind == "pad":
            self._mend_pad(n)
        elif n.target is operator.getitem:
            self._mend_index(n)
        if kind == "shape" and self._channels_moved(n) and not self._right(n):
            self._mend_shape(n)
            if not self._right(n):
                raise ModelError(
                    f"removing these units changes {n.format_node()!r} in the network's forward in a way easiedge cannot rewrite: "
                    "write sizes there with x.size() or -1, or leave the groups around it out"
                )
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self.shapes[n] = value.shape
        return value

    def _labels(self, n: fx.Node) -> Any:
        """The units of the kept channels of a node's tensor (or tensors)."""
        return self._filter(self.walk.labels[self.before[n.name]])

    def _filter(self, labels: Any) -> Any:
        if isinstance(labels, tuple | list):
            return tuple(self._filter(part) for part in labels)
        for d in varying(labels):
            labels = labels.index_select(d, self.kept[along(labels, labels.shape, d)].nonzero()[:, 0])
        return self.unit_of[labels]

    def _channels_moved(self, n: fx.Node) -> bool:
        return n.name in self.before and any(isinstance(self.env.get(a), Tensor) for a in n.all_input_nodes)

    def _right(self, n: fx.Node) -> bool:
        look = lambda a: self._labels(a).expand(self.shapes[a]).contiguous() if a in self.shapes else self.env[a]  # noqa: E731
        try:
            result = run_with(n, self.modules, look)
        except (RuntimeError, IndexError):
            return False
        expected = self._labels(n)
        pairs = [(result, expected)] if isinstance(result, Tensor) else list(zip(result, expected, strict=False))
        if not isinstance(result, Tensor) and len(result) != len(expected):
            return False
        return all(_same(r, e) for r, e in pairs)

    def _mend_shape(self, n: fx.Node) -> None:
        """New literal sizes for view, reshape and expand; explicit sizes for chunk and split."""
        expected = self._labels(n)
        if isinstance(expected, tuple):
            source = n.args[0]
            dim = next((d for part in expected for d in varying(part)), 1)
            n.op, n.target = "call_function", torch.split
            n.args, n.kwargs = (source, [part.shape[dim] for part in expected], dim), {}
            return
        shape = self.walk.shapes[self.before[n.name]]
        changed = {d: expected.shape[d] for d in varying(self.walk.labels[self.before[n.name]])}
        named = next((key for key in ("shape", "size") if key in n.kwargs), None)
        if named is not None:  # view(size=...) becomes view(...)
            n.args = (*n.args, n.kwargs[named])
            n.kwargs = {key: value for key, value in n.kwargs.items() if key != named}
        if n.target in ("view", "reshape", "expand") or n.target is torch.reshape:
            sizes = list(n.args[1]) if isinstance(n.args[1], tuple | list) else list(n.args[1:])
            for d, size in changed.items():
                if isinstance(sizes[d], int) and sizes[d] == shape[d]:
                    sizes[d] = size
            n.args = (n.args[0], tuple(sizes)) if isinstance(n.args[1], tuple | list) else (n.args[0], *sizes)

    def _mend_index(self, n: fx.Node) -> None:
        """New bounds and numbers where channels are picked: what lies before them may be gone."""
        source, index = n.args
        if (
            not isinstance(source, fx.Node)
            or not isinstance(index, tuple)
            or source not in self.shapes
            or Ellipsis in index
        ):
            return
        before = self.before[source.name]
        labels, new = self.walk.labels[before], list(index)
        for d in varying(labels):
            if d >= len(new) or new[d] == slice(None):
                continue
            stays = self.kept[along(labels, self.walk.shapes[before], d)]
            at = new[d]
            if isinstance(at, int):
                new[d] = int(stays[: at % len(stays)].sum())
            elif isinstance(at, slice) and all(
                part is None or isinstance(part, int) for part in (at.start, at.stop, at.step)
            ):
                start, stop, step = at.indices(len(stays))
                if step == 1:
                    new[d] = slice(int(stays[:start].sum()), int(stays[:stop].sum()), None)
        n.args = (source, tuple(new))

    def _mend_pad(self, n: fx.Node) -> None:
        """Channel padding keeps its zeros only for units that stay."""
        old, source = self.before[n.name], self.before[n.all_input_nodes[0].name]
        before, after = self.walk.shapes[source], self.walk.shapes[old]
        if len(after) < 2 or before[1] == after[1]:
            return
        amounts: list[int] = list(n.args[1] if len(n.args) > 1 else n.kwargs["pad"])  # type: ignore[arg-type, call-overload]
        at = 2 * (len(after) - 2)
        stays = self.kept[self.walk.labels[old].expand(1, after[1], *[1] * (len(after) - 2)).reshape(-1)]
        amounts[at + 1] = int(stays[amounts[at] + before[1] :].sum())
        amounts[at] = int(stays[: amounts[at]].sum())
        if len(n.args) > 1:
            n.args = (n.args[0], tuple(amounts), *n.args[2:])
        else:
            n.kwargs = {**n.kwargs, "pad": tuple(amounts)}


def _same(result: Any, expected: Any) -> bool:
    if not isinstance(result, Tensor):
        return True
    try:
        return bool((result == expected.expand(result.shape)).all())
    except RuntimeError:
        return False
