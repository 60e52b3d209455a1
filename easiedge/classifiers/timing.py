"""What several jobs take when each is timed in its turn, so that it does not matter which comes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

ROUNDS = 3  # an odd number: a median is then one of the times
SECONDS = 120.0  # after which no further round is begun


def seconds_by_turns(
    jobs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, clock: Callable[[], float] = time.perf_counter
) -> list[dict[str, float]]:
    """Seconds of every job in each round; rounds go through the jobs forwards and backwards by turns.

    Args:
        jobs: by name; each has been run before, so that none is timed cold.
        rounds: at most; one at least is made, however long it takes.
        clock: seconds.
    """
    found: list[dict[str, float]] = []
    begun, names = clock(), list(jobs)
    while not found or (len(found) < rounds and clock() - begun < SECONDS):
        taken = {}
        for name in names if len(found) % 2 == 0 else reversed(names):
            started = clock()
            jobs[name]()
            taken[name] = clock() - started
        found.append(taken)
    return found
