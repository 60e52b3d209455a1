"""Numbers as whole numbers: how many binary digits behind the point a weight array needs, and what it is then."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.c.program import FLOAT_MAX, Floats
from easiedge.errors import ModelError

FRACTION = 16  # digits of activations, biases and logits
MOST_DIGITS = 15
LARGEST = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Whole:
    """An array of whole numbers ``n``, each of which means ``n * 2 ** -digits``.

    Attributes:
        numbers: int64.
        digits: behind the point.
        type: of C.
        exact: whether nothing was rounded.
    """

    numbers: NDArray[np.int64]
    digits: int
    type: str
    exact: bool

    @property
    def bytes(self) -> int:
        """In memory."""
        return self.numbers.size * {"int8_t": 1, "int16_t": 2, "int32_t": 4}[self.type]


def whole_weights(values: Floats, name: str) -> Whole:
    """The fewest digits that hold ``values`` exactly, as TQ leaves them; else as many as 16 bits hold.

    Raises:
        ModelError: a weight of 32,768 or more.
    """
    wide = values.astype(np.float64)
    most = float(np.abs(wide).max(initial=0.0))
    if most >= 2**15:
        raise ModelError(f"{name} holds a weight of {most:g}, which 16 bits do not hold: export it as float, --to c")
    fits = [d for d in range(MOST_DIGITS + 1) if round(most * 2**d) < 2**15]
    digits = next((d for d in fits if bool((np.round(wide * 2**d) == wide * 2**d).all())), fits[-1])
    numbers = np.round(wide * 2**digits).astype(np.int64)
    small = int(np.abs(numbers).max(initial=0)) < 2**7
    return Whole(numbers, digits, "int8_t" if small else "int16_t", bool((numbers == wide * 2**digits).all()))


def whole_biases(values: Floats, name: str) -> Whole:
    """With the digits of activations.

    Raises:
        ModelError: a bias of 32,768 or more.
    """
    wide = values.astype(np.float64) * 2**FRACTION
    if float(np.abs(wide).max(initial=0.0)) > LARGEST:
        raise ModelError(
            f"{name} holds a number that 32 bits with {FRACTION} digits do not hold: export it as float, --to c"
        )
    return Whole(np.round(wide).astype(np.int64), FRACTION, "int32_t", bool((np.round(wide) == wide).all()))


def whole(value: float) -> str:
    """A constant of an activation, such as the limit of a clamp, held within 32 bits."""
    if abs(value) >= FLOAT_MAX or math.fabs(value) * 2**FRACTION >= LARGEST:
        return "INT32_MAX" if value > 0 else "-INT32_MAX"
    return str(round(value * 2**FRACTION))
