"""What choosing units takes at most, before it is begun: one small forward pass tells the size of the rest.

    scoring      = fixed + 2 * batch * (saved for the backward pass + 2 * largest tensor) + 12 * batch * passes * units + form
    form         = 4 * units**2 for F (or the rows of G), twice where units are chosen in several ways (the dense network's serves all and is
                   kept), and 24 * sum over groups of units**2 more where the projection readjusts
    compensation = fixed + dense network's form + batch * 3 * largest tensor + max over layers of equations + kept between layers
    equations = 24 * width * (width + outputs), or 12 * rows * (width + outputs) + 24 * rows**2 for a layer of few rows (positions compared)
    peak         = max(scoring, compensation)

The factor 2 and ``fixed`` (threads, kernels, what the allocator holds back) are measured: LeNet, ResNet-20 and VGG-16 on the CPU, batches of 32
and 128.  The estimate is an upper one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.model.count import layer_macs
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.gate_gradients import gated_batches
from easiedge.scoring.joint_information_gain import MATRIX_LIMIT, MEMORY, READJUST
from easiedge.scoring.score import accepts, needs_images
from easiedge.surgery.compensate import MEMORY as KEPT
from easiedge.surgery.least_squares import FEW
from easiedge.unit import FilterGroup

FIXED = 100_000_000  # bytes


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes, beside the network and the calibration images.

    Attributes:
        activations: of one batch, with what the backward pass needs.
        rows: gate gradients of one batch.
        form: the joint form, and its copies while units are chosen.
        dense: of it the dense network's, which serves all ways of choosing and stays while layers are refitted.
        equations: of the layer whose refit takes most.
        kept: what compensation keeps between layers.
        working: tensors of one batch while compensation runs it.
    """

    activations: int
    rows: int
    form: int
    dense: int
    equations: int
    kept: int
    working: int

    @property
    def scoring(self) -> int:
        """While units are scored and chosen."""
        return FIXED + self.activations + self.rows + self.form

    @property
    def compensation(self) -> int:
        """While layers are refitted; 0 without."""
        return FIXED + self.dense + self.equations + self.kept + self.working if self.equations else 0

    @property
    def peak(self) -> int:
        """The most at any moment."""
        return max(self.scoring, self.compensation)


def memory_estimate(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Sequence[Any],
    criterion: str,
    options: Mapping[str, Any],
    *,
    fit: bool,
    positions: int,
) -> MemoryEstimate:
    """What scoring by ``criterion``, and ``fit`` (compensation with so many ``positions``), take on these batches.

    The network is run once, on at most two images.
    """
    sizes = [len(inputs_of(batch)) for batch in batches]
    batch, images, units = max(sizes), sum(sizes), sum(g.size for g in groups)
    scored = needs_images(criterion)
    saved, largest, classes = _of_an_image(model, groups, batches) if scored or fit else (0, 0, 1)
    passes = int(options.get("passes", 1)) if options.get("probe") != "exact" else classes
    form = dense = 0
    if criterion == "joint_information_gain":
        limit, memory = int(options.get("matrix_limit", MATRIX_LIMIT)), int(options.get("memory", MEMORY))
        form = 4 * units**2 if units <= limit else 2 * min(memory, 4 * units * images * passes)
        dense = form if fit else 0
        form += dense
        if options.get("readjust", READJUST if fit else 0.0):
            form += 24 * sum(group.size**2 for group in groups)
    elif criterion == "optimal_brain_surgeon":
        form = 28 * units**2
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    equations = 0
    if fit:
        macs = layer_macs(model, inputs_of(batches[0])[:2])
        equations = max((_equations(m, macs.get(name, 0), positions, images) for name, m in layers.items()), default=0)
    return MemoryEstimate(
        activations=2 * batch * (saved + 2 * largest) if scored else 0,
        rows=12 * min(batch, 1024) * passes * units if scored and accepts(criterion, "passes") else 0,
        form=form,
        dense=dense,
        equations=equations,
        kept=min(int(KEPT), images * (3 * largest + 4 * positions * sum(m.weight.shape[0] for m in layers.values())))
        if fit
        else 0,
        working=batch * 3 * largest,
    )


def _equations(layer: nn.Conv2d | nn.Linear, macs: int, positions: int, images: int) -> int:
    """Bytes to refit a layer of so many MACs an image: of its normal equations, or of its positions where those are few."""
    width, outputs, groups = layer.weight[0].numel() + 1, layer.weight.shape[0], int(getattr(layer, "groups", 1))
    rows = images * min(positions, macs // layer.weight.numel())
    if rows <= FEW * width:
        return 12 * rows * (groups * width + outputs) + 24 * groups * rows**2
    return 24 * width * (width * groups + outputs)


def _of_an_image(model: nn.Module, groups: Sequence[FilterGroup], batches: Sequence[Any]) -> tuple[int, int, int]:
    """Bytes that a gated forward pass saves for the backward pass, and its largest tensor, of one image; and the number of classes."""
    example = inputs_of(batches[0])[:2]
    weights = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.shape[:1] == example.shape[:1]:
            seen[storage.data_ptr()] = max(seen.get(storage.data_ptr(), 0), tensor.nbytes)
        return (
            tensor.detach()
        )  # its memory stays its own; with the graph behind a saved output nothing would ever be freed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for passed in gated_batches(model, groups, [example], "memory"):
            classes = passed.logits.shape[1]
    count = len(example)
    return sum(seen.values()) // count, max(seen.values(), default=0) // count, classes
