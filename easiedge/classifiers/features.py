"""What a network says of images before its last layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.graph import device_of, evaluating

Labelled = tuple[Tensor, Tensor]  # features [images, width] float32, labels [images] int64


def classifying_layer(network: nn.Module) -> str:
    """Name of the last linear layer: what it reads are the network's features.

    Raises:
        ModelError: there is none.
    """
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ModelError(
            "the network has no linear layer whose input could be its features: name a layer with classifiers.layer="
        )
    return linear[-1]


@torch.inference_mode()
def deep_features(network: nn.Module, batches: Iterable[Any], layer: str) -> Labelled:
    """The input of ``layer`` for every image, flattened, and the labels.

    Args:
        network: left as it was.
        batches: of (inputs, targets).
        layer: its name.

    Raises:
        ModelError: there is no such layer, or the network does not come to it.
    """
    modules = dict(network.named_modules())
    if layer not in modules:
        raise ModelError(f"classifiers.layer={layer!r} is no layer of the network: it has {', '.join(modules)[:200]}")
    seen: list[Tensor] = []
    hook = modules[layer].register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].flatten(1).float().cpu().clone())
    )
    labels = []
    try:
        with evaluating(network):
            for x, y in batches:
                before = len(seen)
                network(x.to(device_of(network)))
                if len(seen) != before + 1:
                    raise ModelError(
                        f"classifiers.layer={layer!r} is used {len(seen) - before} times in a pass, where once is needed: name another"
                    )
                labels.append(y)
    finally:
        hook.remove()
    return torch.cat(seen), torch.cat(labels)
