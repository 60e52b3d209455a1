"""What the dense network says at every place, on sampled output positions: recorded once, or computed on the fly.

Recorded, the targets of all layers take ``4 * images * positions * channels`` bytes a layer.  Where that is more than the
memory given, the dense network runs beside the compensated one, batch by batch, and nothing is kept but its checkpoints.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx, nn

from easiedge.model.patches import answers
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.places import Place
from easiedge.surgery.replay import Replay
from easiedge.surgery.sampling import Sampling


class Targets:
    """The dense network's answers at the places of `easiedge.surgery.places`.

    Args:
        dense: the traced dense network.
        places: what will be asked for.
        shapes: of each node's value on two images, by node name.
        calibration: the images.
        positions: output positions per image that are compared.
        seed: of the choice of positions; each batch has its own.
        memory: bytes that may be kept.

    Attributes:
        recorded: bytes of the recorded answers; 0 where they are computed on the fly.
    """

    def __init__(
        self,
        dense: fx.GraphModule,
        places: Sequence[Place],
        shapes: dict[str, torch.Size],
        calibration: Calibration,
        *,
        positions: int,
        seed: int,
        memory: float,
    ) -> None:
        self.dense, self.shapes, self.calibration = dense, shapes, calibration
        self.positions, self.seed, self.memory = positions, seed, memory
        self.modules = dict(dense.named_modules())
        needed = sum(self._bytes(place) for place in places) * sum(calibration.sizes)
        self.recorded = needed if needed <= memory else 0.0
        self._kept: dict[str, list[list[Tensor]]] = {}
        if self.recorded:
            self._record(places)

    @property
    def memory_taken(self) -> float:
        """Bytes of the recorded answers, or of the checkpoints that take their place."""
        return self.recorded or self.memory

    def _record(self, places: Sequence[Place]) -> None:
        """One pass of the dense network with a look at every place on the way."""
        replay = Replay(self.dense, self.calibration, 0.0)
        looks = [(place, k, name) for place in places for k, name in enumerate(self._watched(place))]
        looks.sort(key=lambda look: replay.number[look[2]])
        self._kept = {place.layer: [] for place in places}
        draws = {place.layer: list(self.draws(place)) for place in places}
        for batch, number, value in replay.watch([name for _, _, name in looks]):
            place, call, _ = looks[number]
            told = answers(self.modules[place.layer], value, draws[place.layer][batch][call])
            if call == 0:
                self._kept[place.layer].append([])
            self._kept[place.layer][-1].append(told.clone())

    @staticmethod
    def _watched(place: Place) -> tuple[str, ...]:
        return (place.total,) if place.total is not None else place.calls

    def _grid(self, place: Place, call: str) -> torch.Size:
        """Output positions of a layer where it is called."""
        shape = self.shapes[call]
        return shape[1:-1] if isinstance(self.modules[place.layer], nn.Linear) else shape[2:]

    def channels(self, place: Place) -> int:
        """Outputs of a layer in the dense network."""
        return self.shapes[place.calls[0]][-1 if isinstance(self.modules[place.layer], nn.Linear) else 1]

    def _bytes(self, place: Place) -> float:
        rows = sum(min(self.positions, math.prod(self._grid(place, call))) for call in place.calls)
        return 4.0 * rows * self.channels(place)

    def draws(self, place: Place) -> Iterator[list[Tensor]]:
        """For each batch, the positions that are compared at each call: the same in every pass."""
        sampling = Sampling(self.positions, self.seed + zlib.crc32(place.layer.encode()))
        for _ in self.calibration.sizes:
            yield [sampling.draw(self._grid(place, call)) for call in place.calls]

    def replay(self) -> Replay | None:
        """The dense network to run along where nothing was recorded."""
        return None if self.recorded else Replay(self.dense, self.calibration, self.memory)

    def of(self, place: Place, replay: Replay | None) -> Iterator[list[Tensor]]:
        """For each batch, what the dense network says at each call of a place, ``[rows, channels]``."""
        if replay is None:
            yield from self._kept[place.layer]
            return
        module = self.modules[place.layer]
        stops = [(replay.number[name] + 1, [name]) for name in self._watched(place)]
        for values, at in zip(replay.at(stops), self.draws(place), strict=True):
            yield [answers(module, value[0], where) for value, where in zip(values, at, strict=True)]
