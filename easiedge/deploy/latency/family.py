"""Layers of one family (``conv 3x3/1`` on any image size) learn from each other.

A kind of layer that is there once is measured at some forty pairs of widths, a few in each of nine cases: too few for four
coefficients each.  The family has many more, and tells how time goes with the widths and with the number ``P`` of output positions:

    ms(in, out, P) = a0 + P (a1 + a2 up(in) + a3 up(out) + a4 up(in) up(out)) + a5 up(in) up(out),    a >= 0

(the last term reads the weights).  Each kind is then fitted on its own samples and, weighing as much as less than one of them,
on what its family says at the widths where it was measured, scaled to the kind's level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.surface import CASES, Form, Samples, blocks, case_of, solve

Array = NDArray[np.float64]
_OTHERS = 0.01  # weight of the other cases' samples in the family's fit
_FAMILYS = 0.8  # sum of the squared weights of what the family says, beside 1 for each sample
_CAUTION = 2.0  # samples that stand for the kind's level in all cases, when its level in one is estimated


def family(kind: str) -> str:
    """What a layer computes, whatever the image size and whatever follows."""
    return kind.partition(" on ")[0].partition(",")[0]


def positions(kind: str) -> float:
    """Output positions of a kind, 1 where it has none."""
    found = re.search(r" on (\d+(?:x\d+)*)", kind)
    return float(np.prod([int(size) for size in found[1].split("x")])) if found else 1.0


def family_coefficients(measured: Mapping[str, Samples], form: Form) -> dict[str, Array]:
    """``c`` ``[9, 4]`` of each kind of one family; zero in cases that the form does not know."""
    sizes = {kind: positions(kind) for kind in measured}
    alignment = np.array(form.alignment)
    cases = {kind: case_of(s.inputs, s.outputs, alignment) for kind, s in measured.items()}
    every_case, every_ms = np.concatenate(list(cases.values())), np.concatenate([s.ms for s in measured.values()])
    said = {kind: np.zeros((CASES, len(s.ms))) for kind, s in measured.items()}  # by the family, at the kind's widths
    for case in form.cases:
        step = np.array(form.steps[case])
        terms = {kind: _terms(blocks(s.inputs, s.outputs, step), sizes[kind]) for kind, s in measured.items()}
        found = solve(np.concatenate(list(terms.values())), np.where(every_case == case, 1.0, _OTHERS), every_ms)
        for kind in measured:
            said[kind][case] = np.maximum(terms[kind] @ found, 1e-9)
    return {kind: _own(s, cases[kind], said[kind], form) for kind, s in measured.items()}


def _own(samples: Samples, case: NDArray[np.int64], said: Array, form: Form) -> Array:
    off = np.log(samples.ms / said[case, np.arange(len(case))])
    level, found = float(np.median(off)), np.zeros((CASES, 4))
    for number in form.cases:
        own = case == number
        here = (off[own].sum() + _CAUTION * level) / (own.sum() + _CAUTION)
        terms = blocks(samples.inputs, samples.outputs, np.array(form.steps[number]))
        weight = np.concatenate([np.ones(own.sum()), np.full(len(case), np.sqrt(_FAMILYS / len(case)))])
        ms = np.concatenate([samples.ms[own], said[number] * np.exp(here)])
        found[number] = solve(np.concatenate([terms[own], terms]), weight, ms)
    return found


def _terms(block: Array, size: float) -> Array:
    constant, product = block[:, :1], block[:, 3:]
    return np.concatenate([constant, size * block, product], 1)
