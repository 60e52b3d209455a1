"""Slow, obvious references that the fast code is tested against."""

import itertools

import torch

from easiedge.model.gates import masked
from easiedge.unit import FilterMask


@torch.no_grad()
def information_gain_of(model, groups, mask, x, reference=None):
    """KL(p_ref || p with the mask) by really masking, mean over images, in nats."""
    p = (model(x) if reference is None else reference).double().log_softmax(1)
    with masked(model, groups, mask):
        q = model(x).double().log_softmax(1)
    return float((p.exp() * (p - q)).sum(1).mean())


def single_unit_masks(groups):
    """One mask per unit, with that unit gone."""
    for g in groups:
        for i in range(g.size):
            mask = FilterMask.full(groups)
            mask.keep[g.name][i] = False
            yield g.name, i, mask


def feasible(groups, cost, most, floor):
    """All masks within the limits, by enumeration."""
    per_group = [list(itertools.product([True, False], repeat=g.size)) for g in groups]
    for combination in itertools.product(*per_group):
        kept = {g.name: sum(c) for g, c in zip(groups, combination, strict=True)}
        if any(kept[g.name] < f for g, f in zip(groups, floor, strict=True)):
            continue
        total = cost.total(kept)
        if all(total[q] <= m for q, m in zip(cost.quantities, most, strict=True)):
            yield FilterMask({g.name: torch.tensor(c) for g, c in zip(groups, combination, strict=True)})
