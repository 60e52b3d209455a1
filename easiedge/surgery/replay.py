"""Run a traced network over all calibration batches up to one place after another, in bounded memory.

Each batch has a checkpoint: the values that are alive before some node.  It moves forward with the places asked for as long
as all checkpoints together fit into the memory given; where they do not, a batch keeps its older checkpoint, at worst its
images, and what lies in between is computed again.  So much memory buys that no node is computed twice, and little memory
costs time, never the result.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, fx

from easiedge.errors import EasiEdgeError
from easiedge.model.graph import device_of
from easiedge.model.labels import run_with
from easiedge.surgery.calibration import Calibration

Values = dict[str, Any]
Stop = tuple[int, Sequence[str]]  # before the node of this number, look at the values of these nodes


class Replay:
    """A network over the calibration batches, to be stopped at places in forward order.

    Memory: ``memory`` bytes of checkpoints, and the activations of one batch.

    Attributes:
        number: of each node by its name, in the order of the graph.
    """

    def __init__(self, traced: fx.GraphModule, calibration: Calibration, memory: float) -> None:
        self.traced, self.calibration, self.memory = traced, calibration, memory
        self.nodes = list(traced.graph.nodes)
        self.modules = dict(traced.named_modules())
        self.number = {n.name: i for i, n in enumerate(self.nodes)}
        self.last = {a.name: i for i, n in enumerate(self.nodes) for a in n.all_input_nodes}
        self.device = device_of(traced)
        self._checkpoints: dict[int, tuple[int, Values, float]] = {}  # batch: node number, values, bytes
        self._held = 0.0
        self._alive = self._bytes_per_image()

    def at(self, stops: Sequence[Stop]) -> Iterator[list[list[Any]]]:
        """For each batch: the values asked for at each stop; checkpoints move to the first one.

        What has not run by then is computed ahead, so it must not depend on the node there nor work in place.
        """
        fresh = self.calibration.inputs(self.device) if len(self._checkpoints) < len(self.calibration) else None
        first, several = stops[0][0], len(stops) > 1
        for batch, images_in_it in enumerate(self.calibration.sizes):
            images = next(fresh) if fresh is not None else None
            start, values, before = self._checkpoints.get(batch, (0, Values(), 0.0))
            after = self._alive[first] * images_in_it
            moves = self._held - before + after <= self.memory
            if not moves:
                values = copy.deepcopy(values)  # they are needed again, and a forward may work in place
            seen = []
            for stop, wanted in stops:
                self._run(values, start, stop, images, wanted)
                start = stop
                found = [self._ahead(name, dict(values), images) for name in wanted]
                seen.append(copy.deepcopy(found) if several else found)
                if moves and stop == first:
                    values = {name: v for name, v in values.items() if self.last.get(name, -1) >= stop}
                    self._checkpoints[batch] = (first, values, after)
                    self._held += after - before
                    values = copy.deepcopy(values) if several else {}
            yield seen

    def watch(self, names: Sequence[str]) -> Iterator[tuple[int, int, Any]]:
        """One pass through all: (batch, number in ``names``, value) right after each of these nodes, in forward order."""
        for batch, images in enumerate(self.calibration.inputs(self.device)):
            values, start = Values(), 0
            for number, name in enumerate(names):
                stop = self.number[name] + 1
                self._run(values, start, stop, images, (name,))
                start = max(start, stop)
                yield batch, number, values[name]

    def _run(self, values: Values, start: int, stop: int, images: Tensor | None, wanted: Sequence[str]) -> None:
        for i in range(start, stop):
            n = self.nodes[i]
            values[n.name] = self._value(n, values, images)
            for a in n.all_input_nodes:
                if self.last[a.name] == i and a.name not in wanted:
                    values.pop(a.name, None)

    def _ahead(self, name: str, values: Values, images: Tensor | None) -> Any:
        """The value of a node that may not have run yet, where what it needs has; it will run again in its turn."""
        if name not in values:
            n = self.nodes[self.number[name]]
            for a in n.all_input_nodes:
                values[a.name] = self._ahead(a.name, values, images)
            values[name] = self._value(n, values, images)
        return values[name]

    def _value(self, n: fx.Node, values: Mapping[str, Any], images: Tensor | None) -> Any:
        if n.op == "placeholder":
            if self.number[n.name] == 0:
                return images
            if not n.args:
                raise EasiEdgeError(f"compensation takes networks with one input; this one needs {n.target!r} too")
            return n.args[0]
        if n.op == "get_attr":
            owner, _, leaf = str(n.target).rpartition(".")
            return getattr(self.traced.get_submodule(owner), leaf)
        return run_with(n, self.modules, lambda a: values[a.name])

    def _bytes_per_image(self) -> list[float]:
        """Bytes alive before each node, from a run on two images ``[nodes]``."""
        example, values = self.calibration.example.to(self.device, copy=True), Values()
        result = []
        for i, n in enumerate(self.nodes):
            made = (v for name, v in values.items() if self.nodes[self.number[name]].op != "get_attr")
            result.append(sum(_size(v) for v in made) / len(example))
            if n.op != "output":
                self._run(values, i, i + 1, example, ())
        return result


def _size(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes if value.ndim else 0
    return sum(_size(v) for v in value) if isinstance(value, tuple | list) else 0
