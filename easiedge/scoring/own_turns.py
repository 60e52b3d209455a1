"""Which calibration batches a process looks at, where several share them: every one in turn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from easiedge.processes import rank, world_size
from easiedge.scoring.batches import Batches, inputs_of


class OwnTurns:
    """The batches of this process, one pass; in a single process all of them.

    Attributes:
        none: whether there are batches, and none for this process.
        number: of the batch that was given last, among all.
    """

    def __init__(self, batches: Batches) -> None:
        self.number, self._passed = -1, list[int]()
        own = self._own(iter(batches))
        begun = next(own, None)
        self.none = begun is None and self.number >= 0
        self._batches: Iterator[Any] = own if begun is None else itertools.chain([begun], own)

    def _own(self, batches: Iterator[Any]) -> Iterator[Any]:
        for number, batch in enumerate(batches):
            self.number = number
            if number % world_size() == rank():
                yield batch
            else:
                self._passed.append(len(inputs_of(batch)))

    def __iter__(self) -> Iterator[Any]:
        return self._batches

    def passed(self) -> list[int]:
        """Images of each batch that was passed over since the last call."""
        found, self._passed = self._passed, []
        return found
