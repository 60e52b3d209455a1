"""Learning-rate schedules as functions of progress."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float, float], float]

_START, _END = 0.04, 1e-3


def _cosine(t: float) -> float:
    """From 1 at t = 0 to ``_END`` at t = 1."""
    return _END + (1.0 - _END) * 0.5 * (1.0 + math.cos(math.pi * min(t, 1.0)))


def _rise(progress: float, warmup: float, start: float) -> float | None:
    """The linear warm-up from ``start`` to 1, or None once it is over."""
    return start + (1.0 - start) * progress / warmup if progress < warmup else None


def one_cycle(progress: float, warmup: float) -> float:
    """Linear from 1/25 to 1 within ``warmup``, then a cosine down to 1/1000.  Smith & Topin 2018, with a cosine."""
    rising = _rise(progress, warmup, _START)
    return rising if rising is not None else _cosine((progress - warmup) / max(1.0 - warmup, 1e-12))


def cosine(progress: float, warmup: float) -> float:
    """A cosine from 1 to 1/1000 over the whole run (Loshchilov & Hutter 2017), cut by a linear warm-up from 0."""
    rising = _rise(progress, warmup, 0.0)
    return _cosine(progress) if rising is None else min(rising, _cosine(progress))


def constant(progress: float, warmup: float) -> float:
    """1, after a linear warm-up from 0."""
    rising = _rise(progress, warmup, 0.0)
    return 1.0 if rising is None else rising


SCHEDULES: dict[str, Schedule] = {"one_cycle": one_cycle, "cosine": cosine, "constant": constant}
"""Factor on the highest learning rate, from progress in [0, 1] and the share of it that is warm-up."""
