"""What a network costs, and what it costs with some units gone: parameters, MACs and units, recounted exactly.

Costs couple: the MACs of a convolution are (inputs kept) x (outputs kept).  Every unit of a group touches the same layers
with the same number of channels, so all costs depend only on how many units each group keeps, ``n`` ``[groups]``:

    in_l(n)  = in0_l  + sum_g A_lg n_g          out_l(n) = out0_l + sum_g B_lg n_g
    params(n) = constant + sum_l wp_l in_l(n) out_l(n) + bp_l out_l(n)
    macs(n)   = constant + sum_l wm_l in_l(n) out_l(n)

MACs count convolutions, linear layers and matrix products (attention), per image; norms fold away at inference and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from easiedge.model.graph import evaluating, two_images
from easiedge.model.operations import CONVOLUTIONS
from easiedge.unit import FilterGroup

Array = NDArray[np.float64]


def count(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> dict[str, int]:
    """Parameters of the network, and multiply-accumulates per image of one forward pass: ``{"params", "macs"}``."""
    return {"params": sum(p.numel() for p in model.parameters()), "macs": _measured(model, example_inputs)[0]}


def layer_macs(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> dict[str, int]:
    """MACs per image of each convolution and linear layer, in the order of their first call."""
    return _measured(model, example_inputs)[1]


def _measured(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> tuple[int, dict[str, int]]:
    """MACs per image of everything (functions and attention too), and of each convolution and linear layer."""
    macs: dict[str, int] = {}

    def measure(name: str, module: nn.Module, output: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        macs[name] = macs.get(name, 0) + int(output.numel() * module.weight[0].numel()) // 2  # two images

    hooks = [
        module.register_forward_hook(lambda m, i, o, name=name: measure(name, m, o))  # type: ignore[misc]
        for name, module in model.named_modules()
        if isinstance(module, (*CONVOLUTIONS, nn.Linear))
    ]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel hides its products from the counter
    try:
        with (
            evaluating(model),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            model(*two_images(model, example_inputs))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops() // 4, macs  # two operations a MAC, two images


@dataclass(frozen=True, eq=False)
class NetworkCost:
    """The cost of a network as a function of the units each group keeps.

    Attributes:
        names: group names, in the order of every ``[groups]`` array here.
        sizes: units of each group ``[groups]``.
        in0, out0: channels of each layer that no group holds ``[layers]``.
        reads, makes: channels per unit, ``A`` and ``B`` ``[layers, groups]``.
        weights: coefficient of in*out by quantity ``[quantities, layers]``.
        per_output: coefficient of out by quantity ``[quantities, layers]``.
        constant: what never changes, by quantity ``[quantities]``.
    """

    names: tuple[str, ...]
    sizes: Array
    in0: Array
    out0: Array
    reads: Array
    makes: Array
    weights: Array
    per_output: Array
    constant: Array

    QUANTITIES = ("filters", "params", "macs")

    def total(self, kept: Mapping[str, int] | Array) -> dict[str, int]:
        """Units, parameters and MACs when each group keeps ``kept`` units."""
        n = np.array([kept[name] for name in self.names], dtype=np.float64) if isinstance(kept, Mapping) else kept
        return dict(zip(self.QUANTITIES, (round(v) for v in self.totals(n)), strict=True))

    def totals(self, n: Array) -> Array:
        """The same as an array ``[3]`` in the order of ``QUANTITIES``, from kept units ``n`` ``[groups]``."""
        inputs, outputs = self.in0 + self.reads @ n, self.out0 + self.makes @ n
        coupled: Array = self.weights @ (inputs * outputs) + self.per_output @ outputs + self.constant
        return np.concatenate([[n.sum()], coupled])

    def marginal(self, n: Array, steps: Array | None = None) -> Array:
        """What each group saves by losing ``steps`` more units (default 1), ``[3, groups]``, at kept units ``n``."""
        steps = np.ones(len(n)) if steps is None else steps
        inputs, outputs = self.in0 + self.reads @ n, self.out0 + self.makes @ n
        makes, reads = self.makes * steps, self.reads * steps
        lost = inputs[:, None] * makes + outputs[:, None] * reads - makes * reads
        saved: Array = self.weights @ lost + self.per_output @ makes
        return np.concatenate([steps[None], saved])

    @property
    def dense(self) -> dict[str, int]:
        """Cost with every unit kept."""
        return self.total(self.sizes)


def network_cost(
    model: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor | tuple[Tensor, ...]
) -> NetworkCost:
    """Read the cost function off a network; it equals a count on the physically shrunk network for every mask."""
    total, macs = _measured(model, example_inputs)
    modules = dict(model.named_modules())
    layers = sorted({m.layer for g in groups for m in g.members})
    row = {name: i for i, name in enumerate(layers)}
    reads, makes = np.zeros((len(layers), len(groups))), np.zeros((len(layers), len(groups)))
    channels_in, channels_out = np.ones(len(layers)), np.zeros(len(layers))
    weights, per_output = np.zeros((2, len(layers))), np.zeros((2, len(layers)))
    for name, i in row.items():
        channels_in[i], channels_out[i], weights[:, i], per_output[:, i] = _coefficients(
            model, modules, name, macs.get(name, 0)
        )
    for g, group in enumerate(groups):
        for member in group.members:
            table = makes if member.axis == "out" else reads
            if member.axis == "in" and getattr(modules.get(member.layer), "groups", 1) > 1:
                continue  # the inputs of a grouped convolution go with its outputs
            table[row[member.layer], g] += member.width
    sizes = np.array([g.size for g in groups], dtype=np.float64)
    cost = NetworkCost(
        tuple(g.name for g in groups), sizes, channels_in - reads @ sizes, channels_out - makes @ sizes,
        reads, makes, weights, per_output, np.zeros(2),
    )  # fmt: skip
    every = np.array([sum(p.numel() for p in model.parameters()), total], dtype=np.float64)
    return NetworkCost(**{**cost.__dict__, "constant": every - cost.totals(sizes)[1:]})


def _coefficients(
    model: nn.Module, modules: dict[str, nn.Module], name: str, macs: int
) -> tuple[float, float, Array, Array]:
    """Input channels, output channels, and the cost coefficients ``[params, macs]`` of in*out and of out."""
    module = modules.get(name)
    if module is None:  # a bare parameter
        parameter = model.get_parameter(name) if name in dict(model.named_parameters()) else None
        return (
            1.0,
            float(max(parameter.shape)) if parameter is not None else 1.0,
            np.zeros(2),
            np.array([float(parameter is not None), 0.0]),
        )
    weight = module.weight if isinstance(module.weight, Tensor) else None
    if not isinstance(module, (*CONVOLUTIONS, nn.Linear)):
        own = sum(p.numel() for p in module.parameters(recurse=False))
        width = float(getattr(module, "num_features", getattr(module, "num_parameters", 1)))
        return 1.0, width, np.zeros(2), np.array([own / width, 0.0])
    assert weight is not None
    made, bias = float(weight.shape[0]), float(module.bias is not None)
    if getattr(module, "groups", 1) > 1:
        return 1.0, made, np.zeros(2), np.array([weight.numel() / made + bias, macs / made])
    read = float(weight.shape[1])
    return read, made, np.array([weight[0, 0].numel(), macs / (made * read)]), np.array([bias, 0.0])
