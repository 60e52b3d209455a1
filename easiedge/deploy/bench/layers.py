"""Where the time went, layer by layer, dense against pruned, and which layers did not follow their MACs.

    lost_ms = pruned_ms - dense_ms * pruned_macs / dense_macs

is what a layer takes beyond what it would, had its time shrunk as its MACs did.  Times are ONNX Runtime's, as it runs the whole
network (`easiedge.deploy.latency.profile`): a layer with the activations, sums and layout changes that follow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import fx, nn

from easiedge.deploy.bench.peak import Peak
from easiedge.deploy.latency.profile import Profile, profiled, without_profiler
from easiedge.deploy.latency.timing import exported
from easiedge.errors import ModelError
from easiedge.model.count import layer_macs
from easiedge.model.operations import CONVOLUTIONS

REPETITIONS, WARM_UP = 60, 10


@dataclass(frozen=True)
class LayerTime:
    """A convolution or linear layer in both networks.

    Attributes:
        layer: its name.
        dense_ms, pruned_ms: milliseconds of one image; 0 where the network has no such layer.
        dense_macs, pruned_macs: multiply-accumulates of one image.
        dense_peak, pruned_peak: share of the machine's measured arithmetic peak.
    """

    layer: str
    dense_ms: float
    pruned_ms: float
    dense_macs: int
    pruned_macs: int
    dense_peak: float
    pruned_peak: float

    @property
    def lost_ms(self) -> float:
        """Milliseconds beyond those that its MACs promised; below zero where it did better."""
        return self.pruned_ms - self.dense_ms * self.pruned_macs / max(self.dense_macs, 1)

    def as_json(self) -> dict[str, Any]:
        """For bench.json."""
        return {**asdict(self), "lost_ms": self.lost_ms}


def layer_times(
    dense: fx.GraphModule, pruned: fx.GraphModule, image: torch.Tensor, threads: int, peak: Peak
) -> list[LayerTime]:
    """Profile both, by turns with the dense one.

    Args:
        dense: a network.
        pruned: another, whose layers have the same names.
        image: one image ``[1, channels, height, width]``.
        threads: within an operator.
        peak: of the machine.

    Raises:
        ModelError: a network cannot be profiled.
    """
    if not {*_layers(dense)} & {*_layers(pruned)}:
        raise ModelError(
            "the dense and the pruned network have no layer of the same name, so that there is nothing to put side by side"
        )
    reference = exported(dense, image, threads)
    names = {id(network): _layers(network) for network in (dense, pruned)}
    profiles = [
        profiled(network, names[id(network)], (image,), threads, REPETITIONS, WARM_UP, reference)
        for network in (dense, pruned)
    ]
    speed = profiles[0].reference_ms
    found, _ = without_profiler([p.at(speed) for p in profiles])
    ms = [_by_name(p, names[id(n)]) for p, n in zip(found, (dense, pruned), strict=True)]
    two = torch.cat([image, image])
    macs = [layer_macs(n, two) for n in (dense, pruned)]
    rows = []
    for name in names[id(dense)]:
        d, p = ms[0][name], ms[1].get(name, 0.0)
        before, after = macs[0].get(name, 0), macs[1].get(name, 0)
        rows.append(LayerTime(name, d, p, before, after, peak.share(before, d), peak.share(after, p) if p > 0 else 0.0))
    return rows


def _layers(network: nn.Module) -> list[str]:
    return [n for n, module in network.named_modules() if isinstance(module, (*CONVOLUTIONS, nn.Linear))]


def _by_name(profile: Profile, names: Sequence[str]) -> dict[str, float]:
    return {name: float(ms) for name, ms in zip(names, profile.layers_ms, strict=True)}
