"""Which layers a network has, how many channels they read and make as units go, and the widths at which they are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from easiedge.model import operations
from easiedge.model.graph import evaluating, trace, two_images
from easiedge.unit import FilterGroup, FilterMask

Array = NDArray[np.float64]
THINNEST, UNEQUAL = 0.03, (0.3, 0.7, 1.3)


@dataclass(frozen=True, eq=False)
class LayerWidths:
    """Channels of each layer as a function of the units kept, ``in(n) = in0 + reads n`` and ``out(n) = out0 + makes n``.

    Attributes:
        layers: names of the convolutions and linear layers, in the order they run.
        kinds: what each layer computes beside its widths, such as ``conv 3x3/1 on 8x8, then relu``: layers of one kind share one model.
        groups: group names ``[groups]``.
        sizes: their units ``[groups]``.
        in0, out0: channels that no group holds ``[layers]``.
        reads, makes: channels per unit ``[layers, groups]``; a grouped convolution reads what it makes.
        mb_per_pair, mb_per_output: megabytes (1e6 bytes, float32) of weights by pair of channels read and made, and by channel
            made in a grouped convolution ``[layers]``.
    """

    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    groups: tuple[str, ...]
    sizes: Array
    in0: Array
    out0: Array
    reads: Array
    makes: Array
    mb_per_pair: Array
    mb_per_output: Array

    def at(self, n: Array) -> tuple[Array, Array]:
        """Channels in and out ``[..., layers]`` when ``n`` ``[..., groups]`` units are kept."""
        return self.in0 + n @ self.reads.T, self.out0 + n @ self.makes.T

    def megabytes(self, inputs: Array, outputs: Array) -> Array:
        """Weights of each layer ``[..., layers]`` at channels ``inputs`` and ``outputs`` ``[..., layers]``."""
        return (self.mb_per_pair * inputs + self.mb_per_output) * outputs


def layer_widths(
    model: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor | tuple[Tensor, ...]
) -> LayerWidths:
    """Read them off a network."""
    traced = trace(model)
    kinds = _Kinds(traced)
    with evaluating(traced), torch.no_grad():
        kinds.run(*two_images(model, example_inputs))
    names, modules = list(kinds.found), dict(traced.named_modules())
    row = {name: i for i, name in enumerate(names)}
    sizes = np.array([g.size for g in groups], dtype=np.float64)
    reads, makes = np.zeros((len(names), len(groups))), np.zeros((len(names), len(groups)))
    grouped = np.array([getattr(modules[name], "groups", 1) > 1 for name in names], dtype=bool)
    for g, group in enumerate(groups):
        for member in group.members:
            if member.layer in row:
                (makes if member.axis == "out" else reads)[row[member.layer], g] += member.width
    reads[grouped] = makes[grouped]
    weights: list[Any] = [modules[name].weight for name in names]
    made = np.array([w.shape[0] for w in weights], dtype=np.float64)
    read = np.where(grouped, made, np.array([w.shape[1] for w in weights], dtype=np.float64))
    filters = 4e-6 * np.array([w[0].numel() for w in weights], dtype=np.float64)
    return LayerWidths(
        tuple(names), tuple(kinds.kind(name) for name in names), tuple(g.name for g in groups), sizes,
        read - reads @ sizes, made - makes @ sizes, reads, makes,
        np.where(grouped, 0.0, filters / read), np.where(grouped, filters, 0.0),
    )  # fmt: skip


class _Kinds(fx.Interpreter):
    """Follow one run: what each layer computes, and which operations come between it and the next."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self.modules = dict(traced.named_modules())
        self.found: dict[str, list[str]] = {}
        self.after: dict[str, list[str]] = {}
        self.owner: dict[fx.Node, str] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        module = self.modules.get(str(n.target)) if n.op == "call_module" else None
        before = [self.owner[a] for a in n.all_input_nodes if a in self.owner]
        if isinstance(module, (*operations.CONVOLUTIONS, nn.Linear)):
            name = str(n.target)
            self.found.setdefault(name, []).append(_what(module, value))
            self.after.setdefault(name, [])
            self.owner[n] = name
        elif before:
            order = list(self.found)
            self.owner[n] = max(before, key=order.index)
            if n.op != "output" and not _free(n, module):
                self.after[self.owner[n]].append(_word(n, module))
        return value

    def kind(self, name: str) -> str:
        """The layer's kind in words."""
        return " and ".join(self.found[name]) + "".join(f", {word}" for word in self.after[name])


def _what(module: nn.Module, value: Tensor) -> str:
    place = "x".join(str(s) for s in value.shape[2:])
    if isinstance(module, nn.Linear):
        return "linear" + (f" on {value[0].numel() // value.shape[-1]}" if value.ndim > 2 else "")
    conv: Any = module
    name = "conv"
    if conv.groups > 1:
        name = (
            "depthwise conv"
            if operations.is_depthwise(conv)
            else f"conv in groups of {conv.in_channels // conv.groups}"
        )
    dilated = f" dilated {conv.dilation[0]}" if max(conv.dilation) > 1 else ""
    return f"{name} {'x'.join(map(str, conv.kernel_size))}/{conv.stride[0]}{dilated} on {place}"


def _free(n: fx.Node, module: nn.Module | None) -> bool:
    """Nothing is left of norms after a layer, of dropout and of identities when the engine runs."""
    return (
        n.target is getattr
        or n.target in ("size", "dim")
        or isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d | nn.BatchNorm2d | nn.BatchNorm1d)
    )


def _word(n: fx.Node, module: nn.Module | None) -> str:
    if module is not None:
        return type(module).__name__.lower()
    return str(getattr(n.target, "__name__", n.target)).replace("iadd", "add").replace("imul", "mul").rstrip("_")


def measured_widths(sizes: Array, count: int, seed: int = 0) -> NDArray[np.int64]:
    """Units to keep in each of ``count`` networks ``[count, groups]``, the dense one first.

    A network has a share ``s`` of the units, and each of its groups ``s exp(sigma z)`` of its own, ``z`` standard normal, from
    a 64th (at least one unit) to all of them.  Half of the shares are spread evenly from an eighth to one, half evenly in the
    logarithm from 3 % to one: thin networks are predicted from thin ones.  ``sigma`` is 0.3, 0.7 or 1.3: a global ranking
    leaves very unequal widths.  A third of the networks has widths in multiples of 16, 8 or 4, a third of any kind, a third
    mixed: engines treat them differently.
    """
    random = np.random.default_rng(seed)
    even = (random.permutation(count) + random.random(count)) / count
    shares = np.where(even < 0.5, THINNEST ** (2 * even), 0.125 + 0.875 * (2 * even - 1))
    sigmas = np.resize(UNEQUAL, count)[random.permutation(count)]
    widths = np.empty((count, len(sizes)), dtype=np.int64)
    for g, size in enumerate(sizes.astype(int)):
        wanted = np.clip(size * shares * np.exp(sigmas * random.standard_normal(count)), max(1, size / 64), size)
        grain = np.array([[16, 8, 16, 4], [1, 1, 1, 1], [16, 8, 4, 1]])[np.arange(count) % 3]
        grain = grain[np.arange(count), random.integers(0, 4, count)]
        rounded = np.where(grain > 1, np.maximum(np.round(wanted / grain), 1) * grain, np.round(wanted))
        widths[:, g] = np.clip(rounded, 1, size)
    widths[0] = sizes
    return widths


def leading_units(widths: NDArray[np.int64], groups: Sequence[FilterGroup]) -> FilterMask:
    """The mask that keeps the first ``widths`` units of each group: which ones stay makes no difference to the time."""
    return FilterMask({g.name: torch.arange(g.size) < int(w) for g, w in zip(groups, widths, strict=True)})
