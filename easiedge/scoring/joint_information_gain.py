"""Joint information gain: how much the network loses when units go *together*.

    IG(S) ~ 0.5 * 1_S' F 1_S - g' 1_S

The rows of G that score single units hold the whole quadratic form, at no extra pass over the data.  Stored as F
``[units, units]`` or, for large networks, as G ``[rows, units]``, whichever is smaller (design: method.md section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.model.gates import columns
from easiedge.scoring.batches import Batches, Tutor
from easiedge.scoring.taylor_information_gain import fisher_rows
from easiedge.unit import FilterGroup, FilterMask, FilterScores, Interaction

MATRIX_LIMIT = 12_000  # units up to which F [units, units] in float32 (576 MB) is kept


def joint_information_gain(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 2,
    seed: int = 0,
    tutor: Tutor | None = None,
    mask: FilterMask | None = None,
    matrix_limit: int = MATRIX_LIMIT,
) -> FilterScores:
    """Scores with their `Interaction`; ``values`` are those of `taylor_information_gain`.

    Memory: ``4 * units**2`` bytes up to ``matrix_limit`` units, else ``4 * rows * units`` bytes with a row per image and pass.
    Other arguments as in `fisher_rows`.
    """
    units = sum(g.size for g in groups)
    matrix = units <= matrix_limit
    fisher = torch.zeros(units, units) if matrix else None
    kept: list[Tensor] = []
    gradient, images = torch.zeros(units, dtype=torch.float64), 0
    for rows, g, count in fisher_rows(
        model,
        groups,
        batches,
        probe=probe,
        passes=passes,
        seed=seed,
        tutor=tutor,
        mask=mask,
        criterion="joint_information_gain",
    ):
        stacked = torch.cat([r.float().cpu() for r in rows])
        if fisher is not None:
            fisher.addmm_(stacked.T, stacked)
        else:
            kept.append(stacked)
        gradient += g
        images += count
    gradient = gradient / images
    names = tuple(g.name for g in groups)
    if fisher is not None:
        interaction = Interaction(names, gradient, fisher=fisher.div_(images))
    else:
        interaction = Interaction(names, gradient, rows=torch.cat(kept).div_(images**0.5))
    gain = 0.5 * interaction.diagonal().double() - gradient
    values = {name: gain[span] for name, span in columns(groups).items()}
    return FilterScores(values, "joint_information_gain", interaction)
