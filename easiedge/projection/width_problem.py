"""The choice for single scores as a choice of widths: how many units each group keeps.

Costs depend only on the number of units that each group keeps, ``n`` ``[groups]``, and of all sets of ``n_g`` units of a group the
``n_g`` highest scores lose least.  With ``L_g(n_g)`` the sum of the others:

    minimise  sum_g L_g(n_g)   over allowed widths   subject to   c_q + b_q' n + 0.5 n' Q_q n <= most_q  for every limited q

The costs are those of `NetworkCost`; milliseconds, which are no polynomial, are asked of the device.  For the others ``Q_q = A' diag(w_q) B + B' diag(w_q) A``, ``b_q = (in0 B + out0 A)' w_q + B' p_q``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from easiedge.model.cost import NetworkCost
from easiedge.model.device_latency import DeviceLatency
from easiedge.projection.limits import Limits, allowed_widths
from easiedge.projection.order import Array

Widths = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WidthProblem:
    """Widths to choose from, what each loses, and what they cost.

    Attributes:
        limits: the budgets and floors.
        widths: allowed widths of each group, ascending ``[choices of the group]``.
        lost: information lost at each of them.
        constant, linear, quadratic: costs of the limited quantities as shares of their limits
            ``[limited]``, ``[limited, groups]``, ``[limited, groups, groups]``; at most 1 is allowed.
        latency: milliseconds as a share of their limit, if they are limited: one more limited quantity, the last.
    """

    limits: Limits
    widths: tuple[Array, ...]
    lost: tuple[Array, ...]
    constant: Array
    linear: Array
    quadratic: Array
    latency: ShareOfLatency | None = None

    def width(self, index: Widths) -> Array:
        """Units kept ``[groups]`` when each group has the ``index``-th of its allowed widths."""
        return np.array([w[i] for w, i in zip(self.widths, index, strict=True)])

    def index(self, kept: Array) -> Widths:
        """Position of each group's width among its allowed ones ``[groups]``."""
        return np.array([int(np.searchsorted(w, k)) for w, k in zip(self.widths, kept, strict=True)])

    def value(self, index: Widths) -> float:
        """Information lost."""
        return float(sum(v[i] for v, i in zip(self.lost, index, strict=True)))

    def met(self, index: Widths) -> bool:
        """Whether every limit holds, by the network's own count."""
        return self.limits.met(self.width(index))

    def used(self, index: Widths) -> Array:
        """Share of each limit that is used ``[limited]``."""
        n = self.width(index)
        result: Array = self.constant + self.linear @ n + 0.5 * self.quadratic @ n @ n
        return result if self.latency is None else np.append(result, self.latency.total(n))

    def slope(self, kept: Array, group: int) -> Array:
        """Linear coefficients ``[limited]`` of the costs in the width of ``group``, the others as in ``kept``."""
        result: Array = (
            self.linear[:, group] + self.quadratic[:, group] @ kept - self.quadratic[:, group, group] * kept[group]
        )
        return result

    @property
    def fullest(self) -> Widths:
        """Every group at its largest width."""
        return np.array([len(w) - 1 for w in self.widths])


@dataclass(frozen=True, eq=False)
class ShareOfLatency:
    """Milliseconds as a share of their limit."""

    device: DeviceLatency
    most: float

    def total(self, kept: Array) -> float:
        """Of the whole network."""
        return float(self.device.total(kept)) / self.most

    def along(self, kept: Array, group: int, widths: Array) -> Array:
        """As ``group`` changes ``[widths]``, up to a constant."""
        return self.device.along(kept, group, widths) / self.most


def width_problem(
    values: Array, starts: NDArray[np.int64], limits: Limits, among: Array | None = None, grain: int = 64
) -> WidthProblem:
    """The choice of widths for scores ``values`` ``[units]`` of the groups that ``starts`` ``[groups + 1]`` bounds.

    With milliseconds among the limits, groups of more than ``grain`` units have only every second, fourth, ... width to choose from,
    about ``grain`` of them, and those of ``among`` ``[groups]``.
    """
    widths, lost = [], []
    for g, (a, b) in enumerate(itertools.pairwise(starts)):
        allowed = allowed_widths(int(b - a), int(limits.floor[g]), limits.round_to)
        if limits.has_latency and len(allowed) > grain:
            coarse = 2 ** int(np.ceil(np.log2(len(allowed) / grain))) * limits.round_to
            own = [] if among is None else [among[g]]
            allowed = allowed[(allowed % coarse == 0) | np.isin(allowed, [allowed[0], allowed[-1], *own])]
        sums = np.concatenate([[0.0], np.cumsum(np.sort(values[a:b]))])
        widths.append(allowed.astype(np.float64))
        lost.append(sums[int(b - a) - allowed])
    constant, linear, quadratic = _polynomial(limits.cost)
    most = limits.most[: len(constant)]
    limited = np.isfinite(most)
    scale = np.maximum(most[limited], 1.0)
    device = limits.cost.latency if limits.has_latency else None
    return WidthProblem(
        limits,
        tuple(widths),
        tuple(lost),
        constant[limited] / scale,
        linear[limited] / scale[:, None],
        quadratic[limited] / scale[:, None, None],
        None if device is None else ShareOfLatency(device, float(limits.most[-1])),
    )


def best_units(values: Array, starts: NDArray[np.int64], kept: Sequence[float] | Array) -> NDArray[np.bool_]:
    """Units that stay ``[units]`` when each group keeps its ``kept`` highest scores; among equal scores the first go."""
    alive = np.ones(len(values), dtype=bool)
    for (a, b), n in zip(itertools.pairwise(starts), kept, strict=True):
        alive[a + np.argsort(values[a:b], kind="stable")[: int(b - a) - int(n)]] = False
    return alive


def _polynomial(cost: NetworkCost) -> tuple[Array, Array, Array]:
    """Constant ``[q]``, linear ``[q, groups]`` and symmetric quadratic ``[q, groups, groups]`` part of all costs but milliseconds."""
    groups, coupled = len(cost.names), len(cost.weights)
    constant, linear = np.zeros(1 + coupled), np.ones((1 + coupled, groups))
    constant[1:] = cost.weights @ (cost.in0 * cost.out0) + cost.per_output @ cost.out0 + cost.constant
    linear[1:] = (cost.weights * cost.in0 + cost.per_output) @ cost.makes + (cost.weights * cost.out0) @ cost.reads
    quadratic = np.zeros((1 + coupled, groups, groups))
    for q, weight in enumerate(cost.weights):
        once = cost.reads.T @ (weight[:, None] * cost.makes)
        quadratic[1 + q] = once + once.T
    if cost.memory is None:
        return constant, linear, quadratic
    rows = len(cost.memory.constant)
    return (
        np.concatenate([constant, cost.memory.constant]),
        np.concatenate([linear, cost.memory.per_unit]),
        np.concatenate([quadratic, np.zeros((rows, groups, groups))]),
    )
