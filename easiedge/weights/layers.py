"""The layers whose weights can be pruned one by one: convolutions and linear layers, by name."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.model.graph import device_of, evaluating
from easiedge.model.operations import CONVOLUTIONS

WITH_WEIGHTS = (*CONVOLUTIONS, nn.Linear)
SHOWN = 8


def weight_layers(
    network: nn.Module, include: Sequence[str] = ("*",), exclude: Sequence[str] = ()
) -> dict[str, nn.Module]:
    """The layers whose names match ``include`` and not ``exclude`` (fnmatch), in the order of the network's modules.

    A weight that two layers share belongs to neither here: zeros in the one would be zeros in the other.

    Raises:
        ModelError: a pattern of ``include`` matches no such layer, or nothing is left.
    """
    modules = dict(network.named_modules())
    owners = Counter(id(weight_of(m)) for m in modules.values() if isinstance(m, WITH_WEIGHTS))
    known = {n: m for n, m in modules.items() if isinstance(m, WITH_WEIGHTS) and owners[id(weight_of(m))] == 1}
    for pattern in include:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
            raise ModelError(no_matrix(pattern, modules.get(pattern), list(known)))
    chosen: dict[str, nn.Module] = {
        name: module
        for name, module in known.items()
        if any(fnmatch.fnmatchcase(name, p) for p in include) and not any(fnmatch.fnmatchcase(name, p) for p in exclude)
    }
    if not chosen:
        raise ModelError(f"no layer is left to prune: exclude fewer of {_some(list(known))}")
    return chosen


def weight_of(module: nn.Module) -> Tensor:
    """The parameter behind a layer's weight, also where a mask of ``torch.nn.utils.prune`` is on it."""
    parameters = module._parameters
    found = parameters.get("weight_orig", parameters.get("weight"))
    assert found is not None
    return found


@torch.no_grad()
def in_forward_order(network: nn.Module, layers: Sequence[str], example: Tensor) -> list[str]:
    """``layers`` as they first run on the images ``example``, which need not be the order of the modules; those that do not run come last."""
    ran: list[str] = []
    hooks = [
        network.get_submodule(name).register_forward_pre_hook(lambda module, inputs, name=name: ran.append(name))  # type: ignore[misc]
        for name in layers
    ]
    try:
        with evaluating(network):
            network(example.to(device_of(network)))
    finally:
        for hook in hooks:
            hook.remove()
    return list(dict.fromkeys([*ran, *layers]))


def no_matrix(name: str, module: nn.Module | None, known: Sequence[str]) -> str:
    """Why the layer ``name`` can neither be pruned by weights nor stored sparsely."""
    what = f" ({type(module).__name__})" if module is not None else ""
    return (
        f"layer {name!r}{what} has no weight matrix of its own that could be stored sparsely: "
        f"choose convolutions or linear layers, {_some(known)}"
    )


def _some(names: Sequence[str]) -> str:
    return (", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")) or "of which this network has none"
