"""The oracle: information gain by its definition, one forward pass over the calibration set per unit.

    IG(i) = mean over x of KL( p_ref(x) || p(x; m_i = 0) )    [nats]

This is the truth that every approximation is tested against.  Everything before the layer whose gate closes is computed
once per batch and reused for all units of the group; the result is the same as with a full pass per unit.
Memory: all calibration images, and every activation of one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.model.gates import columns, unit_of_channel
from easiedge.model.inference import check_merged, merged
from easiedge.scoring.batches import Batches, Tutor, logits_of, on_device, told_by
from easiedge.unit import FilterGroup, FilterScores


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """``KL(p_ref || p)`` of each image in nats ``[batch]``, from log-probabilities ``reference`` and logits."""
    return (reference.exp() * (reference - logits.log_softmax(1))).sum(1)


class Suffix(fx.Interpreter):
    """Run the part of a network behind the layers of a group, again and again, from stored activations.

    Attributes:
        before: what is computed before the first of the layers.
        needed: what of that the rest reads.
    """

    def __init__(self, network: fx.GraphModule, layers: Sequence[str]) -> None:
        super().__init__(network, garbage_collect_values=False)
        self.network = network
        nodes = list(network.graph.nodes)
        cut = next(i for i, n in enumerate(nodes) if n.op == "call_module" and n.target in layers)
        after = set(nodes[cut:])
        self.before = nodes[:cut]
        self.needed = [n for n in self.before if n.op == "placeholder" or any(user in after for user in n.users)]

    def activations(self, x: Tensor) -> dict[fx.Node, Any]:
        """What `logits` needs to know of the network's inputs ``x``, and no more."""
        return Recorder(self.network, self).of(x)

    def logits(self, x: Tensor, everything: Mapping[fx.Node, Any]) -> Any:
        """Output of the network from the stored activations of the open network, ``everything``."""
        known = dict.fromkeys(self.before) | {n: everything[n] for n in self.needed}
        return self.run(x, initial_env=known)


class Recorder(fx.Interpreter):
    """Run the network once and keep every activation; or run only what is before a suffix, and keep what that needs."""

    def __init__(self, network: fx.GraphModule, suffix: Suffix | None = None) -> None:
        super().__init__(network, garbage_collect_values=suffix is not None)
        self.record: dict[fx.Node, Any] = {}
        self.before = None if suffix is None else set(suffix.before)
        self.needed = None if suffix is None else set(suffix.needed)

    def of(self, x: Tensor) -> dict[fx.Node, Any]:
        """The activations for inputs ``x``."""
        self.run(x)
        return self.record

    def run_node(self, n: fx.Node) -> Any:
        """Compute and record."""
        if self.before is not None and n not in self.before:
            return None
        value = super().run_node(n)
        if self.needed is None or n in self.needed:
            self.record[n] = value
        return value


def information_gain(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    tutor: Tutor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FilterScores:
    """Score every unit by really removing it.

    Args:
        model: the network; left as it was.
        groups: the groups to score.
        batches: inputs, or (inputs, targets); the targets are not used.
        tutor: maps inputs to the reference logits, or the logits of each batch; None for the network itself.
        progress: called with (unit passes done, unit passes in all).
    """
    every = {g.name: range(g.size) for g in groups}
    gains = gains_of(model, groups, batches, every, tutor=tutor, progress=progress)
    return FilterScores(gains, "information_gain")


@torch.no_grad()
def gains_of(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    units: Mapping[str, Sequence[int]],
    *,
    tutor: Tutor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Exact information gain of chosen units: float64 ``[len(units[name])]`` for each group; arguments as in `information_gain`."""
    total = sum(len(units[g.name]) for g in groups)
    gains = {g.name: torch.zeros(len(units[g.name]), dtype=torch.float64) for g in groups}
    network, images, done = merged(model), 0, 0
    owners = unit_of_channel(model, groups)
    layers = dict(network.named_modules(remove_duplicate=False))
    suffixes = {g.name: Suffix(network, g.gates) for g in groups}
    kept, start = list(batches), columns(groups)
    for number, (x, _) in enumerate(on_device(model, kept, "information_gain")):
        if number == 0:
            check_merged(model, network, x)
        recorder = Recorder(network)
        own = logits_of(recorder.run(x), number)
        reference = (own if tutor is None else told_by(tutor, x, number)).double().log_softmax(1)
        images += len(x)
        for group in groups:
            for i, unit in enumerate(units[group.name]):
                with closed(layers, group.gates, owners, start[group.name].start + unit):
                    logits = logits_of(suffixes[group.name].logits(x, recorder.record), number)
                gains[group.name][i] += divergence(reference, logits.double()).sum().cpu()
            done += len(units[group.name])
            if progress is not None:
                progress(done, total * len(kept))
    return {name: gain / images for name, gain in gains.items()}


@contextmanager
def closed(
    layers: Mapping[str, nn.Module], gates: Sequence[str], owners: Mapping[str, Tensor], units: int | Tensor
) -> Iterator[None]:
    """Within the context the channels that belong to ``units`` (one or more columns of ``owners``) are zero behind their gates."""
    hooks = []
    for layer in gates:
        channels = torch.isin(owners[layer], torch.as_tensor(units)).nonzero()[:, 0]
        dim = -1 if isinstance(layers[layer], nn.Linear) else 1

        def close(m: nn.Module, i: Any, y: Tensor, channels: Tensor = channels, dim: int = dim) -> Tensor:
            return y.index_fill(dim, channels.to(y.device), 0.0)

        hooks.append(layers[layer].register_forward_hook(close))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
