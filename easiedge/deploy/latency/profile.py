"""Where a network's time goes, layer by layer, as the engine runs it: in place, with its caches, fusions and layout changes.

A layer timed alone pays for layout changes that the network does without, and finds its weights in the cache where the
network does not.  So whole networks are run with the engine's profiler.  The engine renames, fuses and reorders what it runs;
each layer is therefore marked by a constant bias ``number * 2**-20``, which survives all of that.  Operators that are no
layer (activations, sums, pools, layout changes) count to the layer they follow.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from easiedge.deploy.latency.engine import OPTIMIZED, session
from easiedge.deploy.latency.timing import runner
from easiedge.deploy.latency.turns import SETTLE, Turns, by_turns, clock_for, middle_mean
from easiedge.deploy.onnx_export import needed, onnx_bytes
from easiedge.errors import ModelError
from easiedge.model.inference import merged

Array = NDArray[np.float64]
_MARK, PROFILED_ROUNDS = 2.0**-20, 4
_LEAST = 0.05  # of a layer's time is its own, however little it is beside the profiler's


@dataclass(frozen=True, eq=False)
class Profile:
    """One network's times, in milliseconds while the reference took `reference_ms`.

    Attributes:
        total_ms: the whole network, without the profiler.
        spread: interquartile range of its runs as a share of their median.
        layers_ms: each layer with what follows it ``[layers]``.
        nodes: operators that the engine runs for each layer ``[layers]``.
        rest_ms: operators that follow no layer.
        reference_ms: the reference network at the time of measuring.
    """

    total_ms: float
    spread: float
    layers_ms: Array
    nodes: Array
    rest_ms: float
    reference_ms: float

    def at(self, nominal_ms: float) -> Profile:
        """The same at the speed at which the reference takes ``nominal_ms``."""
        speed = nominal_ms / self.reference_ms
        return replace(
            self, total_ms=self.total_ms * speed, layers_ms=self.layers_ms * speed, rest_ms=self.rest_ms * speed,
            reference_ms=nominal_ms,
        )  # fmt: skip


def profiled(
    network: nn.Module,
    layers: Sequence[str],
    inputs: tuple[Tensor, ...],
    threads: int,
    repetitions: int,
    warm_up: int,
    reference: Callable[[], object] | None = None,
) -> Profile:
    """Time ``network`` and its ``layers``, by turns with ``reference`` (see turns.py; the network itself where none is given).

    Raises:
        ModelError: the network cannot be exported, or the engine shows nothing of a layer.
    """
    content = onnx_bytes(marked(network, layers), inputs)
    plain, clock = runner(session(content, threads), inputs), clock_for(threads)
    reference = reference or plain
    (whole,) = by_turns([plain], reference, repetitions, warm_up, clock=clock)
    with tempfile.TemporaryDirectory() as folder:
        opened = session(content, threads, Path(folder))
        (shown,) = by_turns([runner(opened, inputs)], reference, repetitions, warm_up, PROFILED_ROUNDS, clock)
        nodes = _node_ratios(Path(opened.end_profiling()), shown)
        owners = _owners(Path(folder) / OPTIMIZED, len(layers))
    reference_ms = float(np.median(whole.reference_ms))
    per_layer, count, rest = np.zeros(len(layers)), np.zeros(len(layers)), 0.0
    for name, ratio in nodes.items():
        owner = owners.get(name)
        if owner is None:
            rest += ratio
        else:
            per_layer[owner] += ratio
            count[owner] += 1
    if missing := [name for name, value in zip(layers, per_layer, strict=True) if value == 0]:
        raise ModelError(
            f"the engine's profile shows nothing of {', '.join(missing[:4])}: easiedge cannot make a latency table of this network"
        )
    return Profile(
        whole.ratio * reference_ms, whole.spread, per_layer * reference_ms, count, rest * reference_ms, reference_ms
    )


def without_profiler(profiles: Sequence[Profile]) -> tuple[list[Profile], float]:
    """What the layers take when the profiler does not watch, so that they and the rest sum to the whole network; and its cost.

    The profiler makes each operator longer by the same ``o`` milliseconds (some microseconds: as long as a thin layer itself),
    and what the engine does between operators is in no operator's time.  ``o`` is the weighted median over the networks of
    ``(sum - total) / operators``, with weights ``operators / total``: thin networks tell best.  What remains of the difference
    is shared out in proportion.
    """
    sums = np.array([p.layers_ms.sum() + p.rest_ms for p in profiles])
    totals, nodes = np.array([p.total_ms for p in profiles]), np.array([p.nodes.sum() for p in profiles])
    each, weight = (sums - totals) / nodes, nodes / totals
    order = np.argsort(each)
    overhead = float(each[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])
    found = []
    for p in profiles:
        layers = np.maximum(p.layers_ms - overhead * p.nodes, _LEAST * p.layers_ms)
        share = p.total_ms / (layers.sum() + p.rest_ms)
        found.append(replace(p, layers_ms=layers * share, rest_ms=p.rest_ms * share))
    return found, overhead


@torch.no_grad()
def marked(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """A copy with norms merged, small random weights, and each layer's number as its bias."""
    copied = merged(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(0)
    for number, name in enumerate(layers):
        layer: Any = copied.get_submodule(name)
        layer = copy.deepcopy(layer)
        spread = (layer.weight[0].numel()) ** -0.5
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * spread)
        layer.bias = nn.Parameter(torch.full((len(layer.weight),), (number + 1) * _MARK), requires_grad=False)
        copied.set_submodule(name, layer)
    result: nn.Module = copied
    return result


def _node_ratios(profile: Path, turns: Turns) -> dict[str, float]:
    """Each operator's time over the reference's: the mean over the middle rounds, of the mean of the middle half of a round's runs."""
    events = json.loads(profile.read_text(encoding="utf-8"))
    durations: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations.setdefault(event["name"].removesuffix("_kernel_time"), []).append(event["dur"] / 1e3)
    rounds, runs = turns.runs_ms.shape
    found = {}
    for name, values in durations.items():
        calls = np.sort(np.array(values[-rounds * (runs + SETTLE) :]).reshape(rounds, runs + SETTLE)[:, SETTLE:], 1)
        cut = runs // 4
        middle = calls[:, cut : runs - cut].mean(1)
        found[name] = middle_mean(middle / turns.reference_ms)
    return found


def _owners(optimized: Path, layers: int) -> dict[str, int]:
    """Number of the layer that each operator of the engine's graph is, or follows; absent where it follows none."""
    onnx = needed("onnx")
    graph = onnx.load(str(optimized)).graph
    marks = {}
    for constant in graph.initializer:
        if constant.data_type == onnx.TensorProto.FLOAT and len(constant.dims) == 1:
            number = _number(onnx.numpy_helper.to_array(constant))
            if number is not None and number < layers:
                marks[constant.name] = number
    weights = {c.name for c in graph.initializer if len(c.dims) > 1}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    made_by: dict[str, int] = {}
    owners: dict[str, int] = {}
    for node in graph.node:
        own = [marks[name] for name in node.input if name in marks]
        if not own and any(name in weights for name in node.input):  # a product whose bias is added by its reader
            own = [marks[n] for out in node.output for r in readers.get(out, []) for n in r.input if n in marks]
        before = [made_by[name] for name in node.input if name in made_by]
        if own or before:
            owners[node.name] = own[0] if own else max(before)
            made_by |= dict.fromkeys(node.output, owners[node.name])
    return owners


def _number(values: np.ndarray[Any, Any]) -> int | None:
    """The layer number in a bias; widths that the engine has rounded up end in zeros."""
    used = values[values != 0]
    if not len(used) or not bool((used == used[0]).all()):
        return None
    number = float(used[0]) / _MARK
    return int(number) - 1 if number == int(number) and number >= 1 else None
