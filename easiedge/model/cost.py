"""What a network costs, and what it costs with some units gone, recounted exactly: units, parameters, MACs, bytes, milliseconds.

Costs couple: the MACs of a convolution are (inputs kept) x (outputs kept).  Every unit of a group touches the same layers
with the same number of channels, so all costs depend only on how many units each group keeps, ``n`` ``[groups]``:

    in_l(n)  = in0_l  + sum_g A_lg n_g          out_l(n) = out0_l + sum_g B_lg n_g
    params(n) = constant + sum_l wp_l in_l(n) out_l(n) + bp_l out_l(n)
    macs(n)   = constant + sum_l wm_l in_l(n) out_l(n)
    artifact bytes(n) as params(n), with buffers and bytes for numbers

Peak activation memory is a maximum of linear functions (`easiedge.model.activation_memory`), one row each; milliseconds are what a
device's table says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.activation_memory import ActivationMemory, activation_memory
from easiedge.model.artifact_size import artifact_bytes
from easiedge.model.count import measured_macs
from easiedge.model.device_latency import DeviceLatency
from easiedge.model.operations import CONVOLUTIONS
from easiedge.unit import Budget, FilterGroup

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkCost:
    """The cost of a network as a function of the units each group keeps.

    Attributes:
        names: group names, in the order of every ``[groups]`` array here.
        sizes: units of each group ``[groups]``.
        in0, out0: channels of each layer that no group holds ``[layers]``.
        reads, makes: channels per unit, ``A`` and ``B`` ``[layers, groups]``.
        weights: coefficient of in*out by quantity ``[coupled, layers]``.
        per_output: coefficient of out by quantity ``[coupled, layers]``.
        constant: what never changes, by quantity ``[coupled]``.
        coupled: names of the coupled quantities; ``tensor_bytes`` are the artifact's without what its files hold beside tensors.
        memory: activations alive at each operation, where their peak is limited.
        latency: milliseconds on a device, where they are limited.
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
    coupled: tuple[str, ...] = ("params", "macs", "tensor_bytes")
    memory: ActivationMemory | None = None
    latency: DeviceLatency | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        """What each row of `totals` is; the peak of the memory has a row for each operation that can be the peak."""
        operations = len(self.memory.names) if self.memory is not None else 0
        device = ("latency_ms",) if self.latency is not None else ()
        return ("filters", *self.coupled, *(["memory_bytes"] * operations), *device)

    def total(self, kept: Mapping[str, int] | Array) -> dict[str, float]:
        """Every quantity when each group keeps ``kept`` units: whole numbers, and milliseconds."""
        n = np.array([kept[name] for name in self.names], dtype=np.float64) if isinstance(kept, Mapping) else kept
        found: dict[str, float] = {}
        for quantity, value in zip(self.quantities, self.totals(n), strict=True):
            found[quantity] = max(found.get(quantity, 0), float(value) if quantity == "latency_ms" else round(value))
        return found

    def totals(self, n: Array) -> Array:
        """The same as an array ``[quantities]``, from kept units ``n`` ``[groups]``."""
        inputs, outputs = self.in0 + self.reads @ n, self.out0 + self.makes @ n
        coupled: Array = self.weights @ (inputs * outputs) + self.per_output @ outputs + self.constant
        parts = [n.sum()[None], coupled]
        if self.memory is not None:
            parts.append(self.memory.constant + self.memory.per_unit @ n)
        if self.latency is not None:
            parts.append(np.reshape(self.latency.total(n), 1))
        return np.concatenate(parts)

    def marginal(self, n: Array, steps: Array | None = None) -> Array:
        """What each group saves by losing ``steps`` more units (default 1), ``[quantities, groups]``, at kept units ``n``."""
        steps = np.ones(len(n)) if steps is None else steps
        inputs, outputs = self.in0 + self.reads @ n, self.out0 + self.makes @ n
        makes, reads = self.makes * steps, self.reads * steps
        lost = inputs[:, None] * makes + outputs[:, None] * reads - makes * reads
        saved: Array = self.weights @ lost + self.per_output @ makes
        parts = [steps[None], saved]
        if self.memory is not None:
            parts.append(self.memory.per_unit * steps)
        if self.latency is not None:
            parts.append(self.latency.marginal(n, steps)[None])
        return np.concatenate(parts)

    @property
    def dense(self) -> dict[str, float]:
        """Cost with every unit kept."""
        return self.total(self.sizes)


def network_cost(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    example_inputs: Tensor | tuple[Tensor, ...],
    budget: Budget | None = None,
    latency: DeviceLatency | None = None,
) -> NetworkCost:
    """Read the cost function off a network; it equals a count on the physically shrunk network for every mask.

    Args:
        model: the dense network.
        groups: the groups that compete.
        example_inputs: a batch for it.
        budget: what it limits is counted: memory, the files around the artifact's tensors and milliseconds only if they are.
        latency: milliseconds on a device.
    """
    total, macs = measured_macs(model, example_inputs)
    modules = dict(model.named_modules())
    layers = sorted({m.layer for g in groups for m in g.members})
    row = {name: i for i, name in enumerate(layers)}
    reads, makes = np.zeros((len(layers), len(groups))), np.zeros((len(layers), len(groups)))
    channels_in, channels_out = np.ones(len(layers)), np.zeros(len(layers))
    weights, per_output = np.zeros((3, len(layers))), np.zeros((3, len(layers)))
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
        reads, makes, weights, per_output, np.zeros(3),
    )  # fmt: skip
    if budget is not None and budget.artifact_mb_max is not None:
        stored = sum(artifact_bytes(model))
        cost = replace(cost, coupled=("params", "macs", "artifact_bytes"))
    else:
        stored = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    every = np.array([sum(p.numel() for p in model.parameters()), total, stored], dtype=np.float64)
    cost = replace(cost, constant=every - cost.totals(sizes)[1:])
    if budget is None:
        return cost
    if budget.memory_mb_max is not None:
        cost = replace(cost, memory=activation_memory(model, groups, example_inputs))
    if budget.latency_ms_max is not None and latency is not None:
        if latency.names != cost.names:
            raise EasiEdgeError(
                "the latency speaks of other groups than those that compete: make it for the same groups, in the same order"
            )
        cost = replace(cost, latency=latency)
    return cost


def _coefficients(
    model: nn.Module, modules: dict[str, nn.Module], name: str, macs: int
) -> tuple[float, float, Array, Array]:
    """Input channels, output channels, and the cost coefficients ``[params, macs, bytes]`` of in*out and of out."""
    module = modules.get(name)
    if module is None:  # a bare parameter or buffer
        parameter = dict(model.named_parameters()).get(name)
        tensor = parameter if parameter is not None else dict(model.named_buffers()).get(name)
        width = float(max(tensor.shape)) if tensor is not None else 1.0
        stored = tensor.element_size() if tensor is not None else 0
        return 1.0, width, np.zeros(3), np.array([float(parameter is not None), 0.0, stored])
    weight = module.weight if isinstance(module.weight, Tensor) else None
    if not isinstance(module, (*CONVOLUTIONS, nn.Linear)):
        own = sum(p.numel() for p in module.parameters(recurse=False))
        width = float(getattr(module, "num_features", getattr(module, "num_parameters", 1)))
        stored = sum(
            t.numel() * t.element_size() for t in module.state_dict().values() if t.ndim and t.numel() == width
        )
        return 1.0, width, np.zeros(3), np.array([own / width, 0.0, stored / width])
    assert weight is not None
    made, bias, number = float(weight.shape[0]), float(module.bias is not None), weight.element_size()
    if getattr(module, "groups", 1) > 1:
        each = weight.numel() / made + bias
        return 1.0, made, np.zeros(3), np.array([each, macs / made, number * each])
    read, each = float(weight.shape[1]), weight[0, 0].numel()
    return read, made, np.array([each, macs / (made * read), number * each]), np.array([bias, 0.0, number * bias])
