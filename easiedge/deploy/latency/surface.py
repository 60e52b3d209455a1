"""Milliseconds of one kind of layer as a function of its widths: monotone, with the steps that engines make.

Engines take faster roads for widths that are multiples of a ``fine`` number, faster ones yet for multiples of a ``coarse`` one,
and work in blocks of ``step`` channels.  With ``up(c) = ceil(c / step) * step``, and coefficients and a step for each of the
nine cases (in and out a multiple of neither, of the fine one, of both):

    ms(in, out) = c0 + c1 up(in) + c2 up(out) + c3 up(in) up(out),    c >= 0

Non-negative coefficients make it monotone in both widths within a case; between the cases it may fall, as the engine's
time does: 64 channels can be faster than 63.  Coefficients are found in family.py, alignment and steps in form_choice.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]
FOLDS, CASES = 4, 9


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

    @property
    def cases(self) -> tuple[int, ...]:
        """The cases that widths can be in: fewer than nine where a number is 1 or both are the same."""
        fine, coarse = self.alignment
        levels = [2] if coarse == 1 else [0, 2] if fine == coarse else [1, 2] if fine == 1 else [0, 1, 2]
        return tuple(3 * read + made for read in levels for made in levels)


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
