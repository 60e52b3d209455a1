"""The Pareto front: what nothing beats in both accuracy and cost."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Indices of the points for which no other is as cheap and as accurate and better in one of the two, by rising cost."""
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i]))
    front: list[int] = []
    best = -float("inf")
    for i in order:
        if accuracies[i] > best:
            best = accuracies[i]
            front.append(i)
        elif front and costs[i] == costs[front[-1]] and accuracies[i] == best:
            front.append(i)
    return front
