"""The oracle: information gain by its definition, one forward pass over the calibration set per unit.

    IG(i) = mean over x of KL( p_ref(x) || p(x; m_i = 0) )    [nats]

This is the truth that every approximation is tested against.  Everything before the layer whose gate closes is computed
once per batch and reused for all units of the group; the result is the same as with a full pass per unit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.model.gates import gated
from easiedge.model.graph import evaluating, trace
from easiedge.model.operations import in_place
from easiedge.scoring.batches import Batches, Tutor, logits_of, on_device, told_by
from easiedge.unit import FilterGroup, FilterScores


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """``KL(p_ref || p)`` of each image in nats ``[batch]``, from log-probabilities ``reference`` and logits."""
    return (reference.exp() * (reference - logits.log_softmax(1))).sum(1)


class _Suffix(fx.Interpreter):
    """Run the part of a network behind the layers of a group, again and again, from stored activations."""

    def __init__(self, traced: fx.GraphModule, layers: Sequence[str]) -> None:
        super().__init__(traced, garbage_collect_values=False)
        nodes = list(traced.graph.nodes)
        cut = next(i for i, n in enumerate(nodes) if n.op == "call_module" and n.target in layers)
        before, after = nodes[:cut], set(nodes[cut:])
        self.needed = [n for n in before if n.op == "placeholder" or any(user in after for user in n.users)]
        self.skipped = before
        self.stored: dict[fx.Node, Any] = {}

    def prepare(self, everything: dict[fx.Node, Any]) -> None:
        """Take the activations that the suffix reads; mark the rest as computed."""
        self.stored = dict.fromkeys(self.skipped)
        self.stored.update({n: everything[n] for n in self.needed})

    def logits(self, x: Tensor) -> Any:
        """Output of the network; the stored activations are copied, since layers may work in place."""
        copies = {n: v.clone() if isinstance(v, Tensor) else v for n, v in self.stored.items()}
        return self.run(x, initial_env=copies)


class _Recorder(fx.Interpreter):
    """Run the network once and keep every activation as it was before a later layer changed it in place."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced, garbage_collect_values=False)
        self.modules = dict(traced.named_modules())
        self.record: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Compute and record; what a reader changes in place is recorded as a copy."""
        value = super().run_node(n)
        changed = isinstance(value, Tensor) and any(in_place(user, self.modules) for user in n.users)
        self.record[n] = value.clone() if changed else value
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
    traced, images, done = trace(model), 0, 0
    suffixes = {g.name: _Suffix(traced, g.gates) for g in groups}
    kept = list(batches)
    with evaluating(model), evaluating(traced):
        for number, (x, _) in enumerate(on_device(model, kept, "information_gain")):
            recorder = _Recorder(traced)
            own = logits_of(recorder.run(x), number)
            reference = (own if tutor is None else told_by(tutor, x, number)).double().log_softmax(1)
            images += len(x)
            for group in groups:
                suffix = suffixes[group.name]
                suffix.prepare(recorder.record)
                for i, unit in enumerate(units[group.name]):
                    gates = torch.ones(1, group.size, device=x.device)
                    gates[0, unit] = 0.0
                    with gated(traced, [group], gates):
                        logits = logits_of(suffix.logits(x), number)
                    gains[group.name][i] += divergence(reference, logits.double()).sum().cpu()
                done += len(units[group.name])
                if progress is not None:
                    progress(done, total * len(kept))
    return {name: gain / images for name, gain in gains.items()}
