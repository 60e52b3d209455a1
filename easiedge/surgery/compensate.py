"""Closed-form compensation: refit what reads the pruned layers so that it says what it said in the dense network.

    minimise over the kept weights V of a layer     sum over images and positions || T - V a ||^2 + lambda || V - V0 ||^2

Layers are refitted in forward order, each on its input ``a`` in the network pruned and compensated so far, towards ``T``, what
it said in the dense network before its norm (design: method.md section 5b); a layer that is added to a stream, towards what
makes the stream right (`easiedge.surgery.places`).  No gradient step is taken.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import analyse
from easiedge.model.graph import evaluating, two_images
from easiedge.model.patches import answers, patches
from easiedge.scoring.batches import Batches
from easiedge.surgery.calibration import Calibration
from easiedge.surgery.equivalence import prove_equivalence
from easiedge.surgery.least_squares import LeastSquares
from easiedge.surgery.places import Place, before_sum, find_places
from easiedge.surgery.rebase_norms import rebase_norms
from easiedge.surgery.replay import Replay
from easiedge.surgery.reuse import Known
from easiedge.surgery.shrink import cut, kept_channels
from easiedge.surgery.targets import Targets
from easiedge.unit import Axis, FilterGroup, FilterMask

MEMORY = 4 * 2.0**30  # bytes
RIDGE = 0.1
"""Weights near to the trained ones learn better: less says as much right after the refit, and less than that after training (experiments/peers)."""
Kept = dict[tuple[str, Axis], Tensor]


def check_fit(ridge: float, positions: int) -> None:
    """Raise unless the refit is well posed.

    Raises:
        EasiEdgeError: a ridge that is not positive, or no positions.
    """
    if not (isinstance(ridge, int | float) and 0.0 < ridge < math.inf):
        raise EasiEdgeError(
            f"compensation.ridge={ridge} must be a positive number, such as {RIDGE}: without it the weights of units that say the same are not defined"
        )
    if not isinstance(positions, int) or positions < 1:
        raise EasiEdgeError(
            f"compensation.positions={positions} must be a whole number from 1: the output positions per image and layer"
        )


def compensate(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    mask: FilterMask,
    batches: Batches,
    *,
    ridge: float = RIDGE,
    positions: int = 32,
    seed: int = 0,
    memory: float = MEMORY,
    rebase: bool = True,
) -> nn.Module:
    """A copy of ``model`` whose kept weights are refitted; masked or shrunk, it loses less than ``model`` does.

    Memory: ``memory`` bytes, whatever the number of images, and besides the batches where they are a list: the activations of
    one batch, copies of the network, and the normal equations of one layer, ``24 * width * (width + outputs)`` bytes with
    ``width`` its inputs times its kernel size.  Where the memory does not hold what all images say in between, parts of the
    network are run again: the result is the same.

    A layer that is called several times is refitted once for all calls, if none depends on another; else it keeps its weights.

    Args:
        model: the dense network, which is left as it was; always start from it, with the whole mask.
        groups: the groups that ``mask`` speaks about.
        mask: which units stay.
        batches: calibration inputs, or (inputs, targets): a list, or a loader, which must give the same images in every pass
            if they take more than ``memory`` bytes; 1,024 images are usually enough.
        ridge: strength of the pull towards the weights as they are, relative to the mean square input.
        positions: output positions per image and layer that are compared.
        seed: of the choice of positions.
        memory: bytes to keep between layers.
        rebase: give batch norms the statistics of the refitted network, which says the same then (`easiedge.surgery.rebase_norms`).

    Raises:
        EasiEdgeError: no batches, a loader that gives other images in each pass, or a mask that does not fit.
    """
    session = Compensation(
        model, groups, batches, ridge=ridge, positions=positions, seed=seed, memory=memory, rebase=rebase
    )
    return session.compensated(mask)[0]


class Compensation:
    """Compensation of one dense network for one mask after the other.

    What the dense network says is computed once, and layers whose surroundings an earlier mask left the same are not
    refitted again (`easiedge.surgery.reuse`).  Arguments as in `compensate`; ``rounded`` as in `NormalEquations`, for networks on
    the way, which nobody keeps.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: Sequence[FilterGroup],
        batches: Batches,
        *,
        ridge: float = RIDGE,
        positions: int = 32,
        seed: int = 0,
        memory: float = MEMORY,
        rebase: bool = True,
        rounded: bool = False,
    ) -> None:
        check_fit(ridge, positions)
        self.model, self.groups, self.ridge, self.memory, self.rebase = model, list(groups), ridge, memory, rebase
        self.rounded = rounded
        if not isinstance(batches, Calibration):
            batches = Calibration(batches, memory / 4, "least_squares compensation")
        self.calibration = batches
        self.example = two_images(model, self.calibration.example)
        self.walk = analyse(model, self.example)[0]
        self.places = find_places(self.walk)
        self.known = Known(self.walk, self.groups)
        shapes = {n.name: shape for n, shape in self.walk.shapes.items()}
        with torch.no_grad(), evaluating(model), evaluating(self.walk.traced):
            self.targets = Targets(
                self.walk.traced,
                self.places,
                shapes,
                self.calibration,
                positions=positions,
                seed=seed,
                memory=memory / 2,
            )

        self._left_for_checkpoints = memory - self.calibration.memory_taken - self.targets.memory_taken

    def compensated(self, mask: FilterMask) -> tuple[nn.Module, fx.GraphModule]:
        """The refitted copy of the model, and the same as a shrunk network, proved to agree."""
        compact = self.shrink(mask)
        if self.rebase:
            rebase_norms(compact, self.calibration)
        fitted = self._widen(compact, kept_channels(self.walk, self.groups, mask))
        prove_equivalence(fitted, self.groups, mask, compact, [(self.example,)])
        return fitted, compact

    @torch.no_grad()
    def shrink(self, mask: FilterMask) -> fx.GraphModule:
        """The shrunk, refitted network, without proof that it equals anything: for steps on the way."""
        compact = cut(self.walk, self.groups, mask, self.example, self.model.training)
        keep = kept_channels(self.walk, self.groups, mask)
        surroundings = self.known.surroundings(mask)
        layers = dict(compact.named_modules())
        with evaluating(self.model), evaluating(self.walk.traced), evaluating(compact):
            replay = Replay(compact, self.calibration, self._left_for_checkpoints)
            dense = self.targets.replay()
            for place in self.places:
                out = keep.get((place.layer, "out"))
                if out is None:
                    out = torch.ones(self.targets.channels(place), dtype=torch.bool)
                found = self.known.look_up(place, surroundings, out)
                if found is None:
                    norm = layers[place.norm] if place.norm is not None else None
                    found = self._solve(place, layers[place.layer], norm, self._rows(place, out, replay, dense, layers))
                    self.known.remember(place, surroundings, out, found)
                _write(place, layers, *found)
        return compact

    def _rows(
        self, place: Place, out: Tensor, replay: Replay, dense: Replay | None, layers: dict[str, nn.Module]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Of each batch and call: input patches, targets, and the channels whose targets can be trusted."""
        module = layers[place.layer]
        norm = layers[place.norm] if place.norm is not None else None
        looks = [
            (replay.number[call], [source] if place.other is None else [source, place.other])
            for call, source in zip(place.calls, place.sources, strict=True)
        ]
        passes = zip(replay.at(looks), self.targets.of(place, dense), self.targets.draws(place), strict=True)
        for seen, told, at in passes:
            for values, target, where in zip(seen, told, at, strict=True):
                target = target[:, out.to(target.device)]
                sure = None
                if place.other is not None:
                    target, sure = before_sum(norm, target - answers(module, values[1], where))
                yield patches(module, values[0], where), target, sure

    def _solve(
        self,
        place: Place,
        module: nn.Module,
        norm: nn.Module | None,
        rows: Iterator[tuple[Tensor, Tensor, Tensor | None]],
    ) -> tuple[Tensor, Tensor | None]:
        layer = LeastSquares(module, module.bias is not None or norm is not None, self.rounded)
        for a, target, sure in rows:
            layer.add(a, target, sure)
        weight, bias = layer.solve(self.ridge)
        return weight.to(module.weight.dtype), None if bias is None else bias.to(module.weight.dtype)  # type: ignore[arg-type]

    def _widen(self, compact: fx.GraphModule, keep: Kept) -> nn.Module:
        """A copy of the dense network that holds the refitted weights where the shrunk one has them."""
        fitted = copy.deepcopy(self.model)
        full = dict(fitted.named_modules())
        small = dict(compact.named_modules())
        with torch.no_grad():
            for place in self.places:
                _put_back(small[place.layer], full[place.layer], keep, place.layer)
            for name, module in small.items():
                if isinstance(module, _BatchNorm):
                    _put_back(module, full[name], keep, name)
        return fitted


def _write(place: Place, layers: dict[str, nn.Module], weight: Tensor, bias: Tensor | None) -> None:
    """Put refitted weights into a shrunk layer; where it has no bias, ``norm(y + b)`` is the norm with b less running mean."""
    module = layers[place.layer]
    assert isinstance(module.weight, Tensor)
    module.weight.copy_(weight.reshape(module.weight.shape))
    if isinstance(module.bias, Tensor):
        assert bias is not None
        module.bias.copy_(bias)
    elif bias is not None and place.norm is not None:
        mean = layers[place.norm].running_mean
        assert isinstance(mean, Tensor)
        mean.sub_(bias.to(mean))


def _put_back(small: nn.Module, full: nn.Module, keep: Kept, layer: str) -> None:
    """Copy a shrunk layer's tensors to their channels in the full-size layer."""
    out, read = keep.get((layer, "out")), keep.get((layer, "in"))
    target = {**dict(full.named_parameters(recurse=False)), **dict(full.named_buffers(recurse=False))}
    source = {**dict(small.named_parameters(recurse=False)), **dict(small.named_buffers(recurse=False))}
    for name, tensor in target.items():
        if not tensor.ndim:
            continue  # a count of batches
        rows = (torch.ones(len(tensor), dtype=torch.bool) if out is None else out).nonzero()[:, 0].to(tensor.device)
        if name != "weight" or tensor.ndim < 2 or read is None or getattr(full, "groups", 1) > 1:
            tensor[rows] = source[name]
        else:
            tensor[rows[:, None], read.nonzero()[:, 0].to(tensor.device)[None]] = source[name]
