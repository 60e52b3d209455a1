"""Local improvement of a choice of widths: put back what fits, and let two groups at a time trade exactly.

For groups g and h with the others fixed, every cost is ``c + l_g a + l_h b + 0.5 Q_gg a^2 + 0.5 Q_hh b^2 + Q_gh a b`` in their widths
``a, b``.  It rises with b, so for each a the largest b within all limits loses least: the best pair is found by going through a.
Every step keeps the limits and loses less than the one before.
"""

from __future__ import annotations

import numpy as np

from easiedge.projection.order import Array
from easiedge.projection.width_problem import ShareOfLatency, WidthProblem, Widths

_ROUNDING = 1e-9
_AHEAD = 4
_BETTER = 1e-12  # smallest share of information for which a change is made: no trading to and fro over rounding


def improved(problem: WidthProblem, index: Widths) -> Widths:
    """Trade between pairs of groups until no pair can do better, then put back what still fits."""
    index = widened(problem, index)
    groups = len(problem.widths)
    times: dict[int, Array] = {}  # milliseconds along each group, as long as no width changes
    idle, pairs = 0, [(g, h) for g in range(groups) for h in range(groups) if g != h]
    at = 0
    while idle < len(pairs):
        g, h = pairs[at]
        better = _trade(problem, index, g, h, times)
        if better is not None:
            idle, index = 0, better
            times.clear()
        else:
            idle += 1
        at = (at + 1) % len(pairs)
    return widened(problem, index)


def widened(problem: WidthProblem, index: Widths) -> Widths:
    """Raise widths while every limit holds, the one that wins most information first.

    With milliseconds a group that does not fit at its next width is tried at the ones after it.
    """
    index = index.copy()
    ahead = 1 if problem.latency is None else _AHEAD
    open_groups = {g for g, w in enumerate(problem.widths) if index[g] < len(w) - 1}
    while open_groups:
        g = max(open_groups, key=lambda g: (problem.lost[g][index[g]] - problem.lost[g][index[g] + 1], -g))
        for more in range(1, 1 + min(ahead, len(problem.widths[g]) - 1 - index[g])):
            index[g] += more
            if problem.met(index):
                break
            index[g] -= more
        else:
            open_groups.discard(g)  # costs only rise from here: it never fits again
        if index[g] == len(problem.widths[g]) - 1:
            open_groups.discard(g)
    return index


def _trade(problem: WidthProblem, index: Widths, g: int, h: int, times: dict[int, Array]) -> Widths | None:
    """The choice after the best trade between ``g`` and ``h``; None if there is none that loses less.

    Milliseconds of the two are taken to add up, which they do where no layer reads the one and makes the other; in the end they are
    asked for.
    """
    kept = problem.width(index)
    a, widths = problem.widths[g], problem.widths[h]
    kept[g] = kept[h] = 0.0
    Q = problem.quadratic
    at_kept = Q @ kept
    rest = problem.constant + problem.linear @ kept + 0.5 * at_kept @ kept
    slope_g, slope_h = problem.linear[:, g] + at_kept[:, g], problem.linear[:, h] + at_kept[:, h]
    slack = 1.0 - rest[:, None] - slope_g[:, None] * a - 0.5 * Q[:, g, g, None] * a * a
    slope = slope_h[:, None] + Q[:, g, h, None] * a
    most = _largest(slack, slope, Q[:, h, h, None])
    choice = np.searchsorted(widths, most + _ROUNDING, side="right") - 1
    if problem.latency is not None:
        choice = _within_time(problem, problem.latency, index, g, h, choice, times)
    lost = problem.lost[g] + np.where(choice >= 0, problem.lost[h][choice], np.inf)
    best = int(np.argmin(lost))
    now = problem.lost[g][index[g]] + problem.lost[h][index[h]]
    if not lost[best] < now - _BETTER * max(abs(now), 1e-300):
        return None
    result = index.copy()
    result[g], result[h] = best, choice[best]
    return result if problem.met(result) else None


def _within_time(
    problem: WidthProblem, latency: ShareOfLatency, index: Widths, g: int, h: int, choice: Widths, times: dict[int, Array]
) -> Widths:  # fmt: skip
    """The largest of h's widths up to ``choice`` ``[choices of g]`` that is within the time for each of g's; -1 where there is none."""
    kept = problem.width(index)
    for group in (g, h):
        if group not in times:
            times[group] = latency.along(kept, group, problem.widths[group])
    if -1 not in times:
        times[-1] = np.array(latency.total(kept))
    slack = 1.0 - times[-1] - (times[g] - times[g][index[g]])
    fits = times[h] - times[h][index[h]] <= slack[:, None] + _ROUNDING
    fits &= np.arange(len(times[h])) <= choice[:, None]
    last: Widths = np.where(fits.any(1), fits.shape[1] - 1 - np.argmax(fits[:, ::-1], axis=1), -1)
    return last


def _largest(slack: Array, slope: Array, square: Array) -> Array:
    """Largest b with ``slope b + 0.5 square b^2 <= slack`` for every row ``[choices]``; negative where there is none."""
    root = np.sqrt(np.maximum(slope**2 + 2 * square * slack, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        b = 2 * slack / (slope + root)  # also where square is 0
    b = np.where(slack < -_ROUNDING, -1.0, np.where(slope + root > 0, np.maximum(b, 0.0), np.inf))
    result: Array = b.min(0, initial=np.inf)
    return result
