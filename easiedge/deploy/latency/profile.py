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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from easiedge.deploy.latency.engine import OPTIMIZED, session
from easiedge.deploy.latency.timing import runner, timed
from easiedge.deploy.onnx_export import needed, onnx_bytes
from easiedge.errors import ModelError
from easiedge.model.inference import merged

_MARK = 2.0**-20
_TRUNCATED_MS = 0.0005  # the profiler cuts to whole microseconds: half of one is lost on average


@dataclass(frozen=True, eq=False)
class Profile:
    """One network's times.

    Attributes:
        total_ms: median of the whole network, without the profiler.
        spread: its interquartile range as a share of the median.
        layers_ms: milliseconds of each layer with what follows it ``[layers]``.
        rest_ms: operators that follow no layer.
    """

    total_ms: float
    spread: float
    layers_ms: np.ndarray[Any, np.dtype[np.float64]]
    rest_ms: float


def profiled(
    network: nn.Module, layers: Sequence[str], inputs: tuple[Tensor, ...], threads: int, repetitions: int, warm_up: int
) -> Profile:
    """Time ``network`` and its ``layers``.

    Raises:
        ModelError: the network cannot be exported, or the engine shows nothing of a layer.
    """
    content = onnx_bytes(marked(network, layers), inputs)
    times = timed(runner(session(content, threads), inputs), repetitions, warm_up)
    low, total, high = np.percentile(times, [25, 50, 75])
    with tempfile.TemporaryDirectory() as folder:
        opened = session(content, threads, Path(folder))
        timed(runner(opened, inputs), repetitions, warm_up)
        nodes = _node_times(Path(opened.end_profiling()), repetitions)
        owners = _owners(Path(folder) / OPTIMIZED, len(layers))
    per_layer, rest = np.zeros(len(layers)), 0.0
    for name, milliseconds in nodes.items():
        owner = owners.get(name)
        if owner is None:
            rest += milliseconds
        else:
            per_layer[owner] += milliseconds
    if missing := [name for name, value in zip(layers, per_layer, strict=True) if value == 0]:
        raise ModelError(
            f"the engine's profile shows nothing of {', '.join(missing[:4])}: easiedge cannot make a latency table of this network"
        )
    return Profile(float(total), float((high - low) / total), per_layer, rest)


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


def _node_times(profile: Path, repetitions: int) -> dict[str, float]:
    """Milliseconds of each operator: the mean of the middle half of its last ``repetitions`` runs."""
    events = json.loads(profile.read_text(encoding="utf-8"))
    durations: dict[str, list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations.setdefault(event["name"].removesuffix("_kernel_time"), []).append(event["dur"] / 1e3)
    middle = {}
    for name, values in durations.items():
        calls = np.sort(values[-repetitions:])
        cut = len(calls) // 4
        middle[name] = float(calls[cut : len(calls) - cut].mean()) + _TRUNCATED_MS
    return middle


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
