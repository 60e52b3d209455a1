"""Intra-kernel strided sparsity (Anwar, Hwang & Sung, *Structured Pruning of Deep Convolutional Neural Networks*, ACM JETC 2017).

Of a kernel only the positions ``offset + n * stride`` in each direction stay.  All outputs share the pattern of an input channel, so that the
columns of the lowered convolution go as a whole: its weights and its input patches both get smaller.  Where all input channels share it too,
what is left is a smaller kernel that is dilated, and it can be put in the layer's place (`without_strides`).

The paper finds patterns by a particle filter over misclassification rates; here the pattern with the highest scores wins.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.operations import CONVOLUTIONS
from easiedge.weights.weight_mask import WeightMask


@dataclass(frozen=True)
class Lattice:
    """Positions ``offset + n * stride`` of a kernel, in each direction."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    offset: tuple[int, ...]

    def positions(self) -> Tensor:
        """Bool in the shape of the kernel."""
        found = torch.zeros(self.kernel, dtype=torch.bool)
        found[tuple(slice(o, None, s) for o, s in zip(self.offset, self.stride, strict=True))] = True
        return found

    def counts(self) -> tuple[int, ...]:
        """How many positions stay in each direction."""
        return tuple(len(range(o, k, s)) for k, s, o in zip(self.kernel, self.stride, self.offset, strict=True))


def lattices(kernel: tuple[int, ...]) -> list[Lattice]:
    """Every lattice of a kernel, the whole kernel among them."""
    strides = itertools.product(*[range(1, k + 1) for k in kernel])
    return [Lattice(kernel, s, o) for s in strides for o in itertools.product(*[range(n) for n in s])]


def strided_keep(scores: Tensor, ratio: float, *, per_source: bool = False) -> Tensor:
    """Which weights of a convolution stay, bool in the shape of ``scores`` ``[outputs, inputs, *kernel]``.

    Of the lattices that remove at least ``ratio`` of the kernel the one with the highest score is taken; where none removes as much, one
    position is left.  With ``per_source`` each input channel has its own offset, as published, and the layer cannot be made smaller.
    """
    kernel = tuple(scores.shape[2:])
    size = math.prod(kernel)
    of_source = scores.double().sum(0)  # [inputs, *kernel]
    least = max(ratio, 0.0) * size - 1e-9
    found = [x for x in lattices(kernel) if size - math.prod(x.counts()) >= least] or [
        x for x in lattices(kernel) if math.prod(x.counts()) == 1
    ]
    best = max(found, key=lambda x: float(of_source[:, x.positions()].sum()))
    if not per_source:
        return best.positions().expand(scores.shape).clone()
    same = [
        x.positions() for x in found if x.stride == best.stride and math.prod(x.counts()) == math.prod(best.counts())
    ]
    each = torch.stack([of_source[:, at].sum(1) for at in same], 1).argmax(1)
    return torch.stack(same)[each].expand(scores.shape).clone()


def lattice_of(keep: Tensor) -> Lattice | None:
    """The lattice that all kernels of a mask ``[outputs, inputs, *kernel]`` share; None where there is none, or nothing is removed."""
    flat = keep.flatten(0, 1)
    if bool(keep.all()) or not bool((flat == flat[0]).all()):
        return None
    at = flat[0]
    return next((x for x in lattices(tuple(at.shape)) if torch.equal(x.positions(), at)), None)


def without_strides(network: nn.Module, mask: WeightMask) -> tuple[nn.Module, list[str]]:
    """A copy of ``network`` whose layers with one lattice have a smaller, dilated kernel, and the names of those layers.

    Layers whose padding would differ from side to side stay as they are.
    """
    smaller, done = copy.deepcopy(network), []
    for name, keep in mask.keep.items():
        module = smaller.get_submodule(name)
        if not isinstance(module, CONVOLUTIONS) or (lattice := lattice_of(keep)) is None:
            continue
        try:
            smaller.set_submodule(name, dilated(module, lattice))
        except ModelError:
            continue
        done.append(name)
    return smaller, done


def dilated(layer: nn.Module, lattice: Lattice) -> nn.Module:
    """The convolution of a lattice's weights alone: as many as there are positions, ``dilation * stride`` apart.

    Raises:
        ModelError: it would need other padding on one side than on the other, or less than none.
    """
    assert isinstance(layer, CONVOLUTIONS)
    kind: Any = type(layer)
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ModelError("only convolutions padded with zeros by a number have a smaller kernel in their place")
    padding = []
    for p, d, k, s, o, n in zip(
        layer.padding, layer.dilation, lattice.kernel, lattice.stride, lattice.offset, lattice.counts(), strict=True
    ):
        low, high = p - d * o, p - d * (k - 1 - o - s * (n - 1))
        if low != high or low < 0:
            raise ModelError(
                f"a kernel of {k} at stride {s} and offset {o} would need {low} zeros before and {high} behind"
            )
        padding.append(low)
    made: Any = kind(
        layer.in_channels, layer.out_channels, lattice.counts(), layer.stride, tuple(padding),
        tuple(d * s for d, s in zip(layer.dilation, lattice.stride, strict=True)), layer.groups, layer.bias is not None,
        device=layer.weight.device, dtype=layer.weight.dtype,
    )  # fmt: skip
    weight = layer.weight.detach()[
        (slice(None), slice(None), *(slice(o, None, s) for o, s in zip(lattice.offset, lattice.stride, strict=True)))
    ]
    made.weight = nn.Parameter(weight.clone(), requires_grad=layer.weight.requires_grad)
    made.bias = layer.bias
    return made.train(layer.training)


def strided_mask(scores: Mapping[str, Tensor], ratio: float, *, per_source: bool = False) -> WeightMask:
    """The mask of all convolutions with more than one position in their kernels; other layers are not in it."""
    return WeightMask(
        {
            name: strided_keep(values, ratio, per_source=per_source)
            for name, values in scores.items()
            if values.ndim > 2 and values[0, 0].numel() > 1
        }
    )
