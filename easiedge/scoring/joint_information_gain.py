"""Joint information gain: how much the network loses when units go *together*.

    IG(S) ~ 0.5 * 1_S' F 1_S - g' 1_S

The rows of G that score single units hold the whole quadratic form, at no extra pass over the data.  Stored as F
``[units, units]`` for up to ``matrix_limit`` units and as G ``[rows, units]`` beyond (design: method.md section 4).

Where G would outgrow ``memory``, row r is added with a random sign s_r to one of R rows, r mod R:

    G~_k = sum over r = k mod R of s_r G_r        E[G~' G~] = G' G    (random signs: unbiased, whatever the number of images)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.gates import columns
from easiedge.processes import below_one_another, rank, summed, world_size
from easiedge.scoring.batches import Batches, Tutor
from easiedge.scoring.taylor_information_gain import fisher_rows, summed_up
from easiedge.unit import FilterGroup, FilterMask, FilterScores, Interaction

MATRIX_LIMIT = 12_000  # units up to which F [units, units] in float32 (576 MB) is kept
READJUST = 0.1  # damping for networks that are refitted (experiments/criterion_fidelity)
MEMORY = 1 << 30  # bytes for G [rows, units]: 10,000 rows of ResNet-50's 26,560 units


def for_refit(scores: FilterScores, options: Mapping[str, Any]) -> FilterScores:
    """Scores as they are projected where the network is refitted afterwards: joint ones readjust, unless ``options`` set ``readjust``."""
    if scores.interaction is None or "readjust" in options:
        return scores
    return replace(scores, interaction=replace(scores.interaction, readjust=READJUST))


class Matrix:
    """``F`` itself, summed up batch by batch: ``4 * units**2`` bytes."""

    def __init__(self, units: int) -> None:
        self.total = torch.zeros(units, units)

    def add(self, rows: Tensor) -> None:
        """Add rows of G ``[rows, units]``."""
        self.total.addmm_(rows.T, rows)

    def interaction(self, names: tuple[str, ...], gradient: Tensor, images: int) -> Interaction:
        """The form over ``images`` images of all processes."""
        return Interaction(names, gradient, fisher=summed(self.total).div_(images))


class LowRank:
    """Rows of G, at most ``most`` of them: ``4 * most * units`` bytes, twice that while they are put together; later rows are folded in."""

    def __init__(self, units: int, memory: int, seed: int) -> None:
        self.most = memory // (4 * units * world_size())
        if self.most < 1:
            raise EasiEdgeError(f"memory={memory} holds no row of {units} units: give at least {4 * units} bytes")
        self.parts: list[Tensor] = []
        self.empty = torch.zeros(0, units)
        self.seen = 0
        self.signs = torch.Generator().manual_seed(seed)

    def add(self, rows: Tensor) -> None:
        """Add rows of G ``[rows, units]``."""
        rows = rows * (torch.randint(0, 2, (len(rows), 1), generator=self.signs).to(rows) * 2 - 1)
        free = max(self.most - self.seen, 0)
        if free:
            self.parts.append(rows[:free])
        if len(rows) > free:
            if len(self.parts) > 1:
                self.parts = [torch.cat(self.parts)]
            at = torch.arange(self.seen + free, self.seen + len(rows)) % self.most
            self.parts[0].index_add_(0, at, rows[free:])
        self.seen += len(rows)

    def interaction(self, names: tuple[str, ...], gradient: Tensor, images: int) -> Interaction:
        """The form over ``images`` images of all processes, whose rows stand one below the other: ``G'G`` is then the sum of theirs."""
        rows = torch.cat(self.parts) if self.parts else self.empty
        return Interaction(names, gradient, rows=below_one_another(rows).div_(images**0.5))


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
    memory: int = MEMORY,
    precision: str = "float32",
    readjust: float = 0.0,
) -> FilterScores:
    """Scores with their `Interaction`; ``values`` are those of `taylor_information_gain`.

    Args:
        model: the network at which to expand.
        groups: units to score.
        batches: inputs, or (inputs, targets).
        probe: as in `fisher_rows`, like ``passes``, ``seed``, ``tutor`` and ``mask``.
        passes: backward passes per batch of the random probes.
        seed: of the random probes.
        tutor: the reference.
        mask: units already gone.
        matrix_limit: units up to which ``F`` is stored, in ``4 * units**2`` bytes.
        memory: bytes that G may take beyond that; more rows are folded in with random signs, unbiased.
        precision: as in `fisher_rows`.
        readjust: damping with which the projection readjusts the gates that stay (`easiedge.projection.readjusted_greedy`), for
            networks whose weights are refitted afterwards; 0 for gates that stay as they are.  ``READJUST`` is a good value.

    Raises:
        EasiEdgeError: ``readjust`` is negative.
    """
    if readjust < 0:
        raise EasiEdgeError(f"readjust={readjust} must be 0, or a damping such as 0.1")
    units = sum(g.size for g in groups)
    form: Matrix | LowRank = Matrix(units) if units <= matrix_limit else LowRank(units, memory, seed + 1 + rank())
    diagonal, gradient, images = torch.zeros(units, dtype=torch.float64), torch.zeros(units, dtype=torch.float64), 0
    for rows, g, count in fisher_rows(
        model, groups, batches, probe=probe, passes=passes, seed=seed, tutor=tutor, mask=mask, criterion="joint_information_gain", precision=precision,
    ):  # fmt: skip
        for of_image in torch.stack(rows, 1).float().cpu().split(1024):  # image by image, however they are batched
            stacked = of_image.flatten(0, 1)
            form.add(stacked)
            diagonal += stacked.double().square().sum(0)
        gradient += g
        images += count
    diagonal, gradient, images = summed_up(diagonal, gradient, images)
    gradient = gradient / images
    gain = 0.5 * diagonal / images - gradient
    values = {name: gain[span] for name, span in columns(groups).items()}
    interaction = replace(form.interaction(tuple(g.name for g in groups), gradient, images), readjust=readjust)
    return FilterScores(values, "joint_information_gain", interaction)
