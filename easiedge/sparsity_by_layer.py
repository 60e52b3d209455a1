"""Which layer is most sensitive: accuracy with the weights of one layer at a time cut, the others whole and nothing trained."""

from __future__ import annotations

import copy

from easiedge.assembly import Parts
from easiedge.errors import ModelError
from easiedge.report.bar import Bar
from easiedge.report.sparsity_record import LayerAccuracy
from easiedge.sparsity_request import SparsityRequest
from easiedge.weights.cutting import write_values
from easiedge.weights.layers import weight_layers, weight_of
from easiedge.weights.masked_weights import weights_masked


def layer_accuracies(parts: Parts, request: SparsityRequest) -> list[LayerAccuracy]:
    """Validation accuracies at every ratio of ``request.sensitivity``; levels of convolutions leave linear layers out.

    Raises:
        ModelError: the level is that of channels, which have a command of their own.
    """
    cutting, found = request.cutting, []
    if cutting.level == "channel":
        raise ModelError(
            "sparsity.sensitivity cuts weights of one layer at a time: easiedge sensitivity does so with units"
        )
    layers = weight_layers(parts.network, request.include, request.exclude)
    names = [n for n, m in layers.items() if cutting.level == "weight" or weight_of(m).ndim > 2]
    with Bar(len(names) * len(request.sensitivity), "layers alone", "accuracies") as bar:
        for name in names:
            for ratio in request.sensitivity:
                cut = cutting(parts.network, {name: layers[name]}, list(parts.calibration), ratio)
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
