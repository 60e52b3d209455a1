"""Taylor-based approximation of the information gain (TBAA): second-order, from gate gradients alone.

    IG(S) = mean_x KL(p_ref || p(.; m_S = 0))  ~  -g' 1_S + 0.5 * 1_S' F 1_S
    g = mean J' (p - p_ref)            F = mean J' (diag(p) - p p') J            J = dz/dm  [classes, units]

``g`` is zero when the tutor is the network itself.  ``F`` is the Fisher information of the gates; with row vectors r whose
outer products average to it, F = G'G:

    exact:   r_c = J' sqrt(p_c) (e_c - p), one pass per class
    sketch:  r = J' (sqrt(p) * v - p (sqrt(p)' v)), v random signs: unbiased, ``passes`` passes
    sampled: r = J' (e_y - p), y drawn from p: unbiased, ``passes`` passes

The paper (EasiEdge, IEEE IoT Journal 8(3), 2021) names a Taylor-based approximation without publishing its formulas; these are
ours (design: method.md sections 2 and 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.gates import columns
from easiedge.processes import summed
from easiedge.scoring.batches import Batches, Tutor, told_by
from easiedge.scoring.gate_gradients import gated_batches
from easiedge.scoring.own_turns import OwnTurns
from easiedge.unit import FilterGroup, FilterMask, FilterScores

Probe = Literal["sketch", "exact", "sampled"]
Vectors = Callable[[Tensor, torch.Generator], Iterator[Tensor]]


def _exact(p: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
    for c in range(p.shape[1]):
        one = torch.zeros_like(p)
        one[:, c] = 1.0
        yield p[:, c : c + 1].sqrt() * (one - p)


def _sketch(passes: int) -> Vectors:
    def vectors(p: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
        signs = torch.randint(0, 2, (p.shape[0], passes, p.shape[1]), generator=generator).to(p) * 2 - 1
        for k in range(passes):
            root = p.sqrt() * signs[:, k]
            yield (root - p * root.sum(1, keepdim=True)) / passes**0.5

    return vectors


def _sampled(passes: int) -> Vectors:
    def vectors(p: Tensor, generator: torch.Generator) -> Iterator[Tensor]:
        uniform = torch.rand(p.shape[0], passes, generator=generator, dtype=torch.float64).to(p.device)
        for k in range(passes):
            label = (p.double().cumsum(1) < uniform[:, k : k + 1]).sum(1).clamp(max=p.shape[1] - 1)
            one = torch.zeros_like(p)
            one[torch.arange(len(p)), label] = 1.0
            yield (one - p) / passes**0.5

    return vectors


def probe_vectors(probe: str, passes: int) -> Vectors:
    """The output vectors of a probe; the squares of the rows they give sum to ``F`` on average.

    Raises:
        EasiEdgeError: unknown probe, or no passes.
    """
    if passes < 1:
        raise EasiEdgeError(f"passes={passes} must be at least 1")
    probes = {"exact": _exact, "sketch": _sketch(passes), "sampled": _sampled(passes)}
    if probe not in probes:
        raise EasiEdgeError(f"unknown probe {probe!r}: choose one of {', '.join(sorted(probes))}")
    return probes[probe]


def fisher_rows(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 4,
    seed: int = 0,
    tutor: Tutor | None = None,
    mask: FilterMask | None = None,
    criterion: str = "taylor_information_gain",
    precision: str = "float32",
) -> Iterator[tuple[list[Tensor], Tensor, int]]:
    """For each batch, of several processes each batch whose turn it is: rows of ``G`` (a list of ``[batch, units]``), the sum of the images' ``g`` ``[units]``, and the images.

    Args:
        model: the network at which to expand.
        groups: units to differentiate by.
        batches: inputs, or (inputs, targets); the targets are not used.
        probe: ``"sketch"``, ``"exact"`` or ``"sampled"``.
        passes: backward passes per batch of the random probes.
        seed: of the random probes; the result does not depend on how the images are batched.
        tutor: maps inputs to the reference logits, or the logits of each batch; None for the network itself, where ``g`` is zero.
        mask: expand at the network with these units already gone.
        criterion: name used in error messages.
        precision: ``"float32"``, or ``"bfloat16"`` for convolutions and linear layers: about half the time where the
            hardware has it, with a rounding error far below that of the random probes.
    """
    vectors, generator = probe_vectors(probe, passes), torch.Generator().manual_seed(seed)
    units, turns = sum(g.size for g in groups), OwnTurns(batches)
    if turns.none:
        return
    for batch in gated_batches(model, groups, turns, criterion, mask, precision=precision):
        p, number = batch.logits.detach().float().softmax(1), turns.number
        for images in turns.passed():  # which other processes look at: what is drawn for them is theirs
            next(vectors(p.new_zeros(images, p.shape[1]), generator))
        rows = [batch.rows(vector) for vector in vectors(p, generator)]
        gradient = torch.zeros(units, dtype=torch.float64)
        if tutor is not None:
            with torch.no_grad():
                reference = told_by(tutor, batch.inputs, number).float().softmax(1)
            if reference.shape != p.shape:
                raise EasiEdgeError(
                    f"the tutor gives {reference.shape[1]} classes, the network {p.shape[1]}: they must be the same"
                )
            gradient = batch.rows(p - reference, last=True).double().sum(0).cpu()
        yield rows, gradient, len(p)


def summed_up(diagonal: Tensor, gradient: Tensor, images: int) -> tuple[Tensor, Tensor, int]:
    """The sums ``[units]`` and the number of images of all processes."""
    found = summed(torch.cat([diagonal, gradient, diagonal.new_tensor([images])]))
    return found[: len(diagonal)], found[len(diagonal) : -1], int(found[-1])


def taylor_information_gain(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 4,
    seed: int = 0,
    tutor: Tutor | None = None,
    mask: FilterMask | None = None,
    precision: str = "float32",
) -> FilterScores:
    """Information gain of removing each unit on its own, ``0.5 F_ii - g_i`` in nats; see the module for the equation.

    Memory: one number per unit and the activations of one batch.  Arguments as in `fisher_rows`.
    """
    units = sum(g.size for g in groups)
    diagonal, gradient, images = torch.zeros(units, dtype=torch.float64), torch.zeros(units, dtype=torch.float64), 0
    for rows, g, count in fisher_rows(
        model, groups, batches, probe=probe, passes=passes, seed=seed, tutor=tutor, mask=mask, precision=precision
    ):
        for r in rows:
            diagonal += r.double().square().sum(0).cpu()
        gradient += g
        images += count
    diagonal, gradient, images = summed_up(diagonal, gradient, images)
    gain = (0.5 * diagonal - gradient) / images
    return FilterScores({name: gain[span] for name, span in columns(groups).items()}, "taylor_information_gain")
