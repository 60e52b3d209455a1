"""Closed-form compensation: refit what reads the pruned layers so that it says what it said in the dense network.

Layers are refitted in forward order, each on its input in the network pruned and compensated so far, towards its output in
the dense network before its norm (design: method.md section 5b).  No gradient step is taken.
"""

from __future__ import annotations

import copy
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import evaluating, trace
from easiedge.model.operations import CHANNEL_NORMS, CONVOLUTIONS
from easiedge.model.patches import answers, patches
from easiedge.scoring.batches import Batches, on_device
from easiedge.surgery.least_squares import NormalEquations, Sampling
from easiedge.surgery.shrink import kept_channels, shrink
from easiedge.unit import FilterGroup, FilterMask

LAYERS = (*CONVOLUTIONS, nn.Linear)


@dataclass(frozen=True, eq=False)
class Targets:
    """What the dense network says on the calibration images.

    Attributes:
        inputs: the calibration batches.
        answers: for each convolution and linear layer, its sampled outputs of each batch ``[rows, channels]``.
        positions: the sampled output positions of each layer and batch.
    """

    inputs: list[Tensor]
    answers: dict[str, list[Tensor]]
    positions: dict[str, list[Tensor]]


class _Sweep(fx.Interpreter):
    """Run a network node by node over all batches at once, so that a layer can be refitted before the next one runs."""

    def __init__(
        self, traced: fx.GraphModule, visit: Callable[[str, nn.Module, list[Tensor], list[Tensor] | None], None]
    ) -> None:
        super().__init__(traced, garbage_collect_values=True)
        self.traced = traced
        self.visit = visit
        self.layers = dict(traced.named_modules())

    def _default(self, n: fx.Node) -> Any:
        if not n.args:
            raise EasiEdgeError(f"compensation takes networks with one input; this one needs {n.target!r} too")
        return n.args[0]

    def sweep(self, inputs: list[Tensor]) -> None:
        """Walk the graph once with every batch; ``visit`` sees each layer's inputs before and its outputs after it runs."""
        nodes = list(self.traced.graph.nodes)
        last = {a: n for n in nodes for a in n.all_input_nodes}
        environments: list[dict[fx.Node, Any]] = [{} for _ in inputs]
        first = next(n for n in nodes if n.op == "placeholder")
        for n in nodes:
            if n.op == "output":
                return
            module = self.layers[str(n.target)] if n.op == "call_module" else None
            layer = isinstance(module, LAYERS)
            if layer:
                assert module is not None
                self.visit(str(n.target), module, [e[n.all_input_nodes[0]] for e in environments], None)
            for e, x in zip(environments, inputs, strict=True):
                if n.op == "placeholder":
                    e[n] = x.clone() if n is first else self._default(n)
                    continue
                self.env = e
                e[n] = self.run_node(n)
            if layer:
                assert module is not None
                self.visit(str(n.target), module, [], [e[n] for e in environments])
            for a in n.all_input_nodes:
                if last[a] is n:
                    for e in environments:
                        del e[a]


@torch.no_grad()
def dense_targets(model: nn.Module, batches: Batches, *, positions: int = 32, seed: int = 0) -> Targets:
    """Record what every layer of the dense network says, at ``positions`` random output positions per image."""
    inputs = [x for x, _ in on_device(model, batches, "least_squares compensation")]
    traced = trace(model)
    told: dict[str, list[Tensor]] = {}
    where: dict[str, list[Tensor]] = {}

    def visit(name: str, module: nn.Module, x: list[Tensor], y: list[Tensor] | None) -> None:
        if y is not None and name not in told:
            sampling = Sampling(positions, seed + zlib.crc32(name.encode()))
            shape = y[0].shape[1:-1] if isinstance(module, nn.Linear) else y[0].shape[2:]
            where[name] = [sampling.draw(shape) for _ in y]
            told[name] = [answers(module, t, at) for t, at in zip(y, where[name], strict=True)]

    with evaluating(model), evaluating(traced):
        _Sweep(traced, visit).sweep(inputs)
    return Targets(inputs, told, where)


def compensate(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    mask: FilterMask,
    batches: Batches,
    *,
    ridge: float = 1e-3,
    positions: int = 32,
    seed: int = 0,
    targets: Targets | None = None,
) -> nn.Module:
    """A copy of ``model`` whose kept weights are refitted; masked or shrunk, it loses less than ``model`` does.

    Args:
        model: the dense network, which is left as it was; always start from it, with the whole mask.
        groups: the groups that ``mask`` speaks about.
        mask: which units stay.
        batches: calibration inputs, or (inputs, targets); 1,024 images are usually enough.
        ridge: strength of the pull towards the weights as they are, relative to the mean square input.
        positions: output positions per image and layer that are compared.
        seed: of the choice of positions.
        targets: from `dense_targets`, to share them between calls.

    Raises:
        EasiEdgeError: no batches, or a mask that does not fit.
    """
    return compensated(
        model, groups, mask, targets or dense_targets(model, batches, positions=positions, seed=seed), ridge
    )[0]


@torch.no_grad()
def compensated(
    model: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, targets: Targets, ridge: float = 1e-3
) -> tuple[nn.Module, fx.GraphModule]:
    """The refitted copy of ``model``, and the same as a shrunk network."""
    example = targets.inputs[0][:2]
    compact = shrink(model, groups, mask, example)
    walk, _ = analyse(model, example)
    keep = kept_channels(walk, groups, mask)
    norms = _norms_behind(compact)
    fitted = copy.deepcopy(model)
    full = dict(fitted.named_modules())
    small = dict(compact.named_modules())
    repeated = _called_again(compact)

    def visit(name: str, module: nn.Module, x: list[Tensor], y: list[Tensor] | None) -> None:
        if y is not None or name in repeated:
            return
        out = keep.get((name, "out"), torch.ones(targets.answers[name][0].shape[1], dtype=torch.bool))
        norm = small[norms[name]] if name in norms else None
        equations = NormalEquations(module, offset=module.bias is not None or norm is not None)
        for a, told, at in zip(x, targets.answers[name], targets.positions[name], strict=True):
            equations.add(patches(module, a, at), told[:, out])
        weight, bias = equations.solve(ridge)
        _write(module, full[name], weight, bias if module.bias is not None else None, out, keep.get((name, "in")))
        if norm is not None and module.bias is None and bias is not None:
            _shift(norm, full[norms[name]], bias, keep.get((norms[name], "out")))

    with evaluating(compact):
        _Sweep(compact, visit).sweep(targets.inputs)
    return fitted, compact


def _called_again(traced: fx.GraphModule) -> set[str]:
    """Layers that are called more than once: one refit cannot serve all of their places, so they stay as they are."""
    calls = Counter(str(n.target) for n in traced.graph.nodes if n.op == "call_module")
    return {name for name, number in calls.items() if number > 1}


def _norms_behind(traced: fx.GraphModule) -> dict[str, str]:
    """Batch norms that follow one layer and nothing else: their running mean takes up the layer's missing bias."""
    modules = dict(traced.named_modules())
    repeated = _called_again(traced)
    result = {}
    for n in traced.graph.nodes:
        if n.op == "call_module" and isinstance(modules[str(n.target)], LAYERS) and len(n.users) == 1:
            user = next(iter(n.users))
            if user.op == "call_module" and isinstance(modules[str(user.target)], CHANNEL_NORMS[:3]):
                norm = modules[str(user.target)]
                if norm.running_mean is not None and not {str(user.target), str(n.target)} & repeated:
                    result[str(n.target)] = str(user.target)
    return result


def _write(
    small: nn.Module, full: nn.Module, weight: Tensor, bias: Tensor | None, out: Tensor, read: Tensor | None
) -> None:
    """Put refitted weights into the shrunk layer and into its full-size twin."""
    assert isinstance(small.weight, Tensor) and isinstance(full.weight, Tensor)
    small.weight.copy_(weight.reshape(small.weight.shape))
    rows = out.nonzero()[:, 0].to(full.weight.device)
    if read is None or getattr(full, "groups", 1) > 1:
        full.weight[rows] = small.weight
    else:
        columns = read.nonzero()[:, 0].to(full.weight.device)
        full.weight[rows[:, None], columns[None]] = small.weight
    if bias is not None:
        assert isinstance(small.bias, Tensor) and isinstance(full.bias, Tensor)
        small.bias.copy_(bias)
        full.bias[rows] = small.bias


def _shift(small: nn.Module, full: nn.Module, bias: Tensor, out: Tensor | None) -> None:
    """``norm(y + b)`` equals the norm with its running mean lowered by b."""
    assert isinstance(small.running_mean, Tensor) and isinstance(full.running_mean, Tensor)
    small.running_mean.sub_(bias.to(small.running_mean))
    rows = torch.ones(len(full.running_mean), dtype=torch.bool) if out is None else out
    full.running_mean[rows.to(full.running_mean.device)] = small.running_mean
