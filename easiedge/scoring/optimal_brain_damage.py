"""Optimal Brain Damage on units (LeCun, Denker & Solla, *Optimal Brain Damage*, NIPS 1989, printed 1990).

    score_i = sum over the weights w that die with unit i of 0.5 * h_ww * w^2   [nats]
    h_ww = mean over images of the Fisher information of w = mean over images and probes r of ( d <z, r> / dw )^2

with h the diagonal of the Gauss-Newton matrix, which for the cross entropy of a softmax is the Fisher information, and r the
output vectors of `easiedge.scoring.taylor_information_gain`.  The weights are those on the producing side: filters, biases,
scales and shifts of the norms and slopes of PReLU in the tie; not bare parameters of the network.  All interactions are left out,
those between the weights of one filter as well: that is what sets it apart from the gates' `taylor_information_gain`, where
all weights of a unit go together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.scoring.gate_gradients import frozen
from easiedge.scoring.taylor_information_gain import probe_vectors
from easiedge.scoring.weight_gradients import saliency, tapped
from easiedge.unit import FilterGroup, FilterScores


def optimal_brain_damage(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 1,
    seed: int = 0,
) -> FilterScores:
    """Score units by the information that their weights lose one by one; no labels are needed.

    Memory: about three times the activations of one batch, and 130 MB (or what one image's input patches need in one layer, twice, where that is more).
    ``probe``, ``passes`` and ``seed`` as in `fisher_rows`.
    """
    vectors, generator = probe_vectors(probe, passes), torch.Generator().manual_seed(seed)
    layers = _layers(model, groups)
    channels: dict[str, Tensor] = {}
    images = 0
    with frozen(model):
        for number, (x, _) in enumerate(on_device(model, batches, "optimal_brain_damage")):
            with torch.enable_grad(), tapped(model, layers) as calls:
                logits = logits_of(model(x), number)
            p = logits.detach().float().softmax(1)
            zeros = [call.zero for layer in layers for call in calls[layer]]
            for vector in vectors(p, generator):
                gradients = torch.autograd.grad(
                    logits, zeros, vector.to(logits.dtype), retain_graph=True, allow_unused=True, materialize_grads=True
                )
                found = iter(gradients)
                for layer in layers:
                    deltas = [next(found) for _ in calls[layer]]
                    part = saliency(model.get_submodule(layer), calls[layer], deltas).cpu()
                    channels[layer] = channels[layer] + part if layer in channels else part
            images += len(p)
    return FilterScores({g.name: 0.5 * _of_units(g, channels) / images for g in groups}, "optimal_brain_damage")


def _layers(model: nn.Module, groups: Sequence[FilterGroup]) -> list[str]:
    """Every layer with parameters on the producing side of a group, once."""
    kinds = ("conv", "linear", "norm")
    found = [m.layer for g in groups for m in g.members if m.axis == "out" and g.kinds[m.layer] in kinds]
    return [layer for layer in dict.fromkeys(found) if getattr(model.get_submodule(layer), "weight", None) is not None]


def _of_units(group: FilterGroup, channels: dict[str, Tensor]) -> Tensor:
    """Sum over the channels of each unit, ``[units]``."""
    parts = [channels[m.layer][m.index].sum(1) for m in group.members if m.axis == "out" and m.layer in channels]
    return torch.stack(parts).sum(0)
