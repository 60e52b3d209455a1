"""Which layer is most sensitive: accuracy with the weights of one layer at a time cut, the others whole and nothing trained."""

from __future__ import annotations

import copy

from easiedge.assembly import Parts
from easiedge.report.bar import Bar
from easiedge.report.sparsity_record import LayerAccuracy
from easiedge.sparsity_request import SparsityRequest
from easiedge.weights.cutting import write_values
from easiedge.weights.masked_weights import weights_masked


def layer_accuracies(parts: Parts, request: SparsityRequest) -> list[LayerAccuracy]:
    """Validation accuracies at every ratio of ``request.sensitivity``."""
    cutting, found = request.cutting, []
    layers = request.layers(parts.network)
    with Bar(len(layers) * len(request.sensitivity), "layers alone", "accuracies") as bar:
        for name, layer in layers.items():
            for ratio in request.sensitivity:
                cut = cutting(parts.network, {name: layer}, list(parts.calibration), ratio)
                if cut.values:
                    moved = copy.deepcopy(parts.network)
                    write_values(moved, cut.values)
                    accuracy = parts.stages.validate(moved)
                else:
                    with weights_masked(parts.network, cut.mask):
                        accuracy = parts.stages.validate(parts.network)
                found.append(LayerAccuracy(name, ratio, cut.mask.share_removed(), accuracy))
                bar.step(f"{name} {ratio:.0%}")
    return found
