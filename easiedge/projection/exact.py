"""The exact choice of widths for small networks, as a mixed-integer linear program: the reference for the fast ones.

    x_gw in {0, 1}, sum_w x_gw = 1        one width a group
    n_g = sum_w w x_gw                    units kept
    p_ghw = x_gw n_h                      exactly: floor_h x_gw <= p_ghw <= full_h x_gw, sum_w p_ghw = n_h
    n_g n_h = sum_w w p_ghw

With the width of g chosen, ``p_ghw`` is zero at all others, and the sum leaves ``n_h`` for the chosen one.  Time grows exponentially with
the groups; some ten groups of some ten widths are seconds.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from easiedge.errors import EasiEdgeError
from easiedge.projection.width_problem import WidthProblem, Widths

_SLACK = 1e-7  # of a limit: what the solver may be over by in its own arithmetic


def exact_widths(problem: WidthProblem, seconds: float = 60.0) -> Widths:
    """Position of each group's width among its allowed ones ``[groups]``, with the least information lost.

    Raises:
        EasiEdgeError: no choice was proven best within ``seconds``.
    """
    if problem.latency is not None:
        raise EasiEdgeError(
            "the exact projection takes no limit on milliseconds, which are no polynomial of the widths"
        )
    program = _Program(problem)
    for tighter in (0.0, _SLACK, 10 * _SLACK):  # a solution over a limit by the solver's tolerance is none
        found = program.solve(tighter, seconds)
        if problem.met(found):
            return found
    raise EasiEdgeError("the exact projection met no limit within the solver's tolerance: use the greedy one")


class _Program:
    """The variables and rows of the program: x of all groups, then p of all coupled pairs."""

    def __init__(self, problem: WidthProblem) -> None:
        self.problem = problem
        counts = [len(w) for w in problem.widths]
        self.first = np.concatenate([[0], np.cumsum(counts)])
        self.variables = int(self.first[-1])
        self.rows: list[dict[int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []
        costs = [self._own_costs(q) for q in range(len(problem.constant))]
        for g in range(len(counts)):
            self._row(dict.fromkeys(self._choices(g), 1.0), 1.0, 1.0)
        for g, h in itertools.combinations(range(len(counts)), 2):
            if problem.quadratic[:, g, h].any():
                product = self._product(g, h)
                for q, cost in enumerate(costs):
                    for variable, width in product.items():
                        cost[variable] = problem.quadratic[q, g, h] * width
        self.limits = len(self.rows)
        for q, cost in enumerate(costs):
            self._row(cost, -np.inf, 1.0 - problem.constant[q])

    def solve(self, tighter: float, seconds: float) -> Widths:
        """The best widths with every limit lower by the share ``tighter``."""
        entries = [(r, v, a) for r, row in enumerate(self.rows) for v, a in row.items()]
        row, column, value = (np.array(x) for x in zip(*entries, strict=True))
        matrix = coo_array((value, (row, column)), shape=(len(self.rows), self.variables)).tocsr()
        high = np.array(self.high)
        high[self.limits :] -= tighter
        objective, integral = np.zeros(self.variables), np.zeros(self.variables)
        objective[: self.first[-1]] = np.concatenate(self.problem.lost)
        integral[: self.first[-1]] = 1
        result = milp(
            objective,
            integrality=integral,
            bounds=Bounds(0.0, np.where(integral > 0, 1.0, np.inf)),
            constraints=LinearConstraint(matrix, np.array(self.low), high),
            options={"time_limit": seconds, "mip_rel_gap": 0.0},
        )
        if result.status != 0 or result.x is None:
            raise EasiEdgeError(f"no best choice of widths within {seconds:g} s ({result.message}): use the greedy one")
        return np.array([int(np.argmax(result.x[a:b])) for a, b in itertools.pairwise(self.first)])

    def _choices(self, group: int) -> range:
        return range(int(self.first[group]), int(self.first[group + 1]))

    def _own_costs(self, q: int) -> dict[int, float]:
        """Coefficients of x in cost ``q``: what depends on one group alone, its square included."""
        p = self.problem
        return {
            v: float(p.linear[q, g] * w + 0.5 * p.quadratic[q, g, g] * w * w)
            for g, widths in enumerate(p.widths)
            for v, w in zip(self._choices(g), widths, strict=True)
        }

    def _product(self, g: int, h: int) -> dict[int, float]:
        """Add the variables of ``n_g n_h``; returns them with the widths of g that they are multiplied by."""
        chosen = list(zip(self._choices(g), self.problem.widths[g], strict=True))
        new = range(self.variables, self.variables + len(chosen))
        self.variables += len(chosen)
        low, high = float(self.problem.widths[h][0]), float(self.problem.widths[h][-1])
        for p, (x, _) in zip(new, chosen, strict=True):
            self._row({p: 1.0, x: -high}, -np.inf, 0.0)
            self._row({p: 1.0, x: -low}, 0.0, np.inf)
        kept = dict(zip(self._choices(h), -self.problem.widths[h], strict=True))
        self._row({**dict.fromkeys(new, 1.0), **kept}, 0.0, 0.0)
        return {p: float(width) for p, (_, width) in zip(new, chosen, strict=True)}

    def _row(self, entries: dict[int, float], low: float, high: float) -> None:
        self.rows.append(entries)
        self.low.append(low)
        self.high.append(high)
