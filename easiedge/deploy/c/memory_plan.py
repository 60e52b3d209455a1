"""Where buffers lie in one block of memory: those that are alive at different times share addresses.

A buffer is alive from its first call to its last.  Largest first, each gets the lowest place at which it meets none of those placed
before that it shares a time with ("greedy by size": Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
2020, section 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from easiedge.deploy.c.program import Memory, Program

ALIGNMENT = 4  # numbers: 16 bytes


@dataclass(frozen=True)
class MemoryPlan:
    """The places.

    Attributes:
        start: of each buffer, in numbers.
        size: of the whole block.
        lower_bound: the most that is alive at once; no plan needs less.
    """

    start: Mapping[int, int]
    size: int
    lower_bound: int


def plan_memory(program: Program) -> MemoryPlan:
    """Place all buffers but the caller's."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for at, call in enumerate(program.calls):
        for argument in call.arguments:
            if isinstance(argument, Memory) and argument.buffer not in (program.image, program.logits):
                first.setdefault(argument.buffer, at)
                last[argument.buffer] = at
    sizes = {b: -(-program.sizes[b] // ALIGNMENT) * ALIGNMENT for b in first}
    start: dict[int, int] = {}
    for b in sorted(first, key=lambda b: (-sizes[b], b)):
        place = 0
        for other in sorted(start, key=lambda other: start[other]):
            together = first[other] <= last[b] and first[b] <= last[other]
            if together and start[other] < place + sizes[b] and place < start[other] + sizes[other]:
                place = start[other] + sizes[other]
        start[b] = place
    alive = [sum(sizes[b] for b in first if first[b] <= at <= last[b]) for at in range(len(program.calls))]
    return MemoryPlan(start, max((start[b] + sizes[b] for b in start), default=0), max(alive, default=0))
