"""What TQ leaves, in as few bytes as it needs: half precision where that is exact, and only the weights that are not zero where that is less."""

from __future__ import annotations

import copy
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from easiedge.atomic import write_atomically
from easiedge.weights.layers import weight_layers
from easiedge.weights.sparse_file import LAYOUTS, save_sparse


def store(network: nn.Module, path: Path) -> tuple[int, str]:
    """Write the weights in the layout that takes least; returns the bytes and the layout.

    `easiedge.weights.sparse_file.load_sparse` reads them back.  Indices and names cost bytes too, so that a network of a few dozen weights
    stays dense, without metadata then: the file is never larger than one of plain float32 tensors.
    """
    small = halved(network)
    layers = list(weight_layers(small))
    sizes = {layout: save_sparse(small, path, layout, layers) for layout in LAYOUTS if layout != "dense"}
    plain = safetensors.torch.save({name: t.detach().cpu().contiguous() for name, t in small.state_dict().items()})
    best = min(sizes, key=lambda layout: sizes[layout])
    if sizes[best] < len(plain):
        return save_sparse(small, path, best, layers), best
    write_atomically(path, plain)
    return len(plain), "dense"


def halved(network: nn.Module) -> nn.Module:
    """A copy in half precision where that changes no parameter, else as it is."""
    made = copy.deepcopy(network).half()
    pairs = zip(made.parameters(), network.parameters(), strict=True)
    return made if all(torch.equal(p.float(), q) for p, q in pairs) else copy.deepcopy(network)
