"""Milliseconds of one kind of layer as a function of its widths: monotone, with the steps that engines make.

Engines work in blocks of channels, and take a slower road for widths that are no multiple of some number.  With
``up(c) = ceil(c / step) * step``, and one row of coefficients for each of the four cases (in and out a multiple of
``alignment`` or not):

    ms(in, out) = c0 + c1 up(in) + c2 up(out) + c3 up(in) up(out),    c >= 0

Non-negative coefficients make it monotone in both widths within a case; between the cases it may fall, as the engine's
time does: 64 channels can be faster than 63.  Alignment and steps are those that predict left-out networks best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
ALIGNMENTS, STEPS, FOLDS = (1, 2, 4, 8, 16), (1, 4, 8, 16), 4
_BORROWED = 0.03  # weight of the other cases' samples: they decide only where a case has too few of its own


@dataclass(frozen=True)
class Form:
    """Where the steps are.

    Attributes:
        alignment: widths that are multiples of it take the engine's fast road; 1 where there is only one.
        aligned_step, other_step: channels are worked on in blocks of so many, on the fast road and on the other.
    """

    alignment: int
    aligned_step: int
    other_step: int


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
        coefficients: ``c`` ``[4, 4]``; row ``2 * (in is aligned) + (out is aligned)``.
        samples: what it was fitted on.
    """

    kind: str
    form: Form
    coefficients: Array
    samples: Samples

    def ms(self, inputs: Array, outputs: Array) -> Array:
        """Milliseconds at these widths (broadcast)."""
        form = self.form
        terms, case = terms_of(inputs, outputs, form.alignment, form.aligned_step, form.other_step)
        result: Array = (self.coefficients[case] * terms).sum(-1)
        return result


def fit_surfaces(measured: dict[str, Samples]) -> dict[str, Surface]:
    """Fit every kind; layers of one family (``conv 3x3/1`` on any image size) have their steps in the same places."""
    families: dict[str, list[str]] = {}
    for kind in measured:
        families.setdefault(kind.partition(" on ")[0].partition(",")[0], []).append(kind)
    surfaces = {}
    for kinds in families.values():
        form = _best_form([measured[kind] for kind in kinds])
        for kind in kinds:
            surfaces[kind] = Surface(kind, form, coefficients(measured[kind], form), measured[kind])
    return surfaces


def _best_form(family: Sequence[Samples]) -> Form:
    """The form whose squared relative error on left-out networks is smallest; the plainest of those within 2 %."""
    errors: dict[Form, float] = {}
    for alignment, aligned, other in product(ALIGNMENTS, STEPS, STEPS):
        if alignment == 1 and other != aligned:
            continue
        form = Form(alignment, aligned, other)
        errors[form] = sum(_left_out_error(samples, form) for samples in family)
    least = min(errors.values())
    return next(form for form, error in errors.items() if error <= 1.02 * least)


def _left_out_error(samples: Samples, form: Form) -> float:
    if not len(samples.ms):
        return 0.0
    error = 0.0
    for fold in range(FOLDS):
        test = samples.network % FOLDS == fold
        if test.all() or not test.any():
            continue
        terms, case = _sample_terms(samples, form)
        found = _solve(terms[~test], case[~test], samples.ms[~test])
        predicted = (found[case[test]] * terms[test]).sum(-1)
        error += float((np.minimum(np.abs(predicted / samples.ms[test] - 1), 1.0) ** 2).sum())
    return error


def coefficients(samples: Samples, form: Form) -> Array:
    """Least squares of the relative error with coefficients from zero, ``[4, 4]``."""
    terms, case = _sample_terms(samples, form)
    return _solve(terms, case, samples.ms)


def _solve(terms: Array, case: NDArray[np.int64], ms: Array) -> Array:
    found = np.zeros((4, 4))
    scale = terms.max(0) + 1e-12
    relative = terms / scale / ms[:, None]
    for number in range(4):
        weight = np.where(case == number, 1.0, _BORROWED)
        found[number] = nnls(relative * weight[:, None], weight)[0] / scale
    return found


def _sample_terms(samples: Samples, form: Form) -> tuple[Array, NDArray[np.int64]]:
    return terms_of(samples.inputs, samples.outputs, form.alignment, form.aligned_step, form.other_step)


def terms_of(
    inputs: Array, outputs: Array, alignment: Array | int, aligned_step: Array | int, other_step: Array | int
) -> tuple[Array, NDArray[np.int64]]:
    """``1, up(in), up(out), up(in) up(out)`` ``[..., 4]`` and the case ``[...]``; all arguments broadcast."""
    aligned_in, aligned_out = inputs % alignment == 0, outputs % alignment == 0
    step_in, step_out = (np.where(aligned, aligned_step, other_step) for aligned in (aligned_in, aligned_out))
    up_in, up_out = np.ceil(inputs / step_in) * step_in, np.ceil(outputs / step_out) * step_out
    up_in, up_out, case = np.broadcast_arrays(up_in, up_out, 2 * aligned_in.astype(np.int64) + aligned_out)
    return np.stack([np.ones_like(up_in), up_in, up_out, up_in * up_out], -1), case
