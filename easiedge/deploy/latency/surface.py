"""Milliseconds of one kind of layer as a function of its widths: monotone, with the steps that engines make.

Engines take faster roads for widths that are multiples of a ``fine`` number, faster ones yet for multiples of a ``coarse`` one,
and work in blocks of ``step`` channels.  With ``up(c) = ceil(c / step) * step``, and coefficients and a step for each of the
nine cases (in and out a multiple of neither, of the fine one, of both):

    ms(in, out) = c0 + c1 up(in) + c2 up(out) + c3 up(in) up(out),    c >= 0

Non-negative coefficients make it monotone in both widths within a case; between the cases it may fall, as the engine's
time does: 64 channels can be faster than 63.  Alignment and steps are those that predict left-out networks best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
ALIGNMENTS = ((1, 1), (4, 4), (8, 8), (16, 16), (4, 8), (4, 16), (8, 16))
STEPS, FOLDS, CASES = (1, 4, 8, 16), 4, 9
_BORROWED = 0.005  # weight of the other cases' samples while forms are compared
_PLAINER = 1.05  # a plainer form may be so much worse on left-out networks
_HOPELESS = 0.3  # relative errors above count no more: they come from cases with too few samples


@dataclass(frozen=True)
class Form:
    """Where the steps are.

    Attributes:
        alignment: fine and coarse; equal where there is only one, and 1 where widths make no difference.
        steps: channels are worked on in blocks of so many; of case ``3 * level(in) + level(out)`` ``[9]``, where the level of a
            width is how many of the two it is a multiple of.
    """

    alignment: tuple[int, int]
    steps: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Samples:
    """Measured times of one kind of layer.

    Attributes:
        network: number of the measured network ``[samples]``; folds of the cross-validation are made of whole networks.
        inputs, outputs: channels ``[samples]``.
        ms: milliseconds ``[samples]``.
    """

    network: NDArray[np.int64]
    inputs: Array
    outputs: Array
    ms: Array


@dataclass(frozen=True, eq=False)
class Surface:
    """A fitted kind of layer.

    Attributes:
        kind: what the layer computes, in words.
        form: where the steps are.
        coefficients: ``c`` ``[9, 4]``, a row for each case.
        samples: what it was fitted on.
    """

    kind: str
    form: Form
    coefficients: Array
    samples: Samples

    def ms(self, inputs: Array, outputs: Array) -> Array:
        """Milliseconds at these widths (broadcast)."""
        terms, case = terms_of(inputs, outputs, np.array(self.form.alignment), np.array(self.form.steps))
        result: Array = (self.coefficients[case] * terms).sum(-1)
        return result


def best_form(family: Sequence[Samples]) -> Form:
    """The alignment, and the step of each case, whose squared relative error on left-out networks is smallest."""
    errors = np.zeros((len(ALIGNMENTS), CASES, len(STEPS)))
    for samples in family:
        for a, alignment in enumerate(ALIGNMENTS):
            case = case_of(samples.inputs, samples.outputs, np.array(alignment))
            for number in np.unique(case):
                errors[a, number] += [_left_out_error(samples, case == number, step) for step in STEPS]
    a = _plainest(errors.min(-1).sum(-1))
    return Form(ALIGNMENTS[a], tuple(STEPS[_plainest(errors[a, number])] for number in range(CASES)))


def _plainest(errors: Array) -> int:
    return int(np.argmax(errors <= _PLAINER * errors.min() + 1e-12))


def _left_out_error(samples: Samples, own: NDArray[np.bool_], step: int) -> float:
    terms, error = blocks(samples.inputs, samples.outputs, np.array(step)), 0.0
    for fold in range(FOLDS):
        test = samples.network % FOLDS == fold
        if not test.all() and (test & own).any():
            found = solve(terms[~test], np.where(own[~test], 1.0, _BORROWED), samples.ms[~test])
            off = np.abs(terms[test & own] @ found / samples.ms[test & own] - 1)
            error += float((np.minimum(off, _HOPELESS) ** 2).sum())
    return error


def solve(terms: Array, weight: Array, ms: Array) -> Array:
    """Least squares of the weighted relative error with coefficients from zero."""
    scale = np.maximum(terms.max(0), 1e-300)
    found: Array = nnls(terms / scale * (weight / ms)[:, None], weight)[0] / scale
    return found


def terms_of(
    inputs: Array, outputs: Array, alignment: NDArray[np.int64], steps: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """``1, up(in), up(out), up(in) up(out)`` ``[..., 4]`` and the case ``[...]``, for ``alignment`` ``[..., 2]`` and ``steps`` ``[..., 9]``."""
    case = case_of(inputs, outputs, alignment)
    every = np.broadcast_to(steps, (*case.shape, CASES))
    return blocks(inputs, outputs, np.take_along_axis(every, case[..., None], -1)[..., 0]), case


def case_of(inputs: Array, outputs: Array, alignment: NDArray[np.int64]) -> NDArray[np.int64]:
    """``3 * level(in) + level(out)``, see `Form`."""
    levels_in, levels_out = ((c[..., None] % alignment == 0).sum(-1) for c in (np.asarray(inputs), np.asarray(outputs)))
    return np.asarray(3 * levels_in + levels_out, dtype=np.int64)


def blocks(inputs: Array, outputs: Array, step: NDArray[np.int64]) -> Array:
    """``1, up(in), up(out), up(in) up(out)`` ``[..., 4]``."""
    up_in, up_out = np.broadcast_arrays(np.ceil(inputs / step) * step, np.ceil(outputs / step) * step)
    return np.stack([np.ones_like(up_in), up_in, up_out, up_in * up_out], -1)
