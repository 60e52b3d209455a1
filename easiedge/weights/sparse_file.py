"""A network's weights in one safetensors file, some layers' as sparse matrices: what it takes on disk, and back again.

``LAYER.weight/values``, ``/columns`` and ``/rows`` or ``/starts`` hold a sparse weight (`easiedge.weights.sparse_layout`); everything else is
there as it is.  The file's metadata say layout, shape and layers, and that is all that reading goes by: nothing in it is run.  A file without
them is a network of plain tensors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from easiedge.atomic import write_atomically
from easiedge.errors import ModelError
from easiedge.weights.masked_weights import masks_on
from easiedge.weights.matrix_form import weight_matrix
from easiedge.weights.sparse_layout import to_dense, to_sparse

LAYOUTS = ("dense", "coo", "csr")
LARGEST = 2**28  # entries of all sparse weights of a file together
_KEY = "easiedge_sparse"


def save_sparse(
    network: nn.Module,
    path: str | Path,
    layout: str = "csr",
    layers: Sequence[str] = (),
    index: torch.dtype | None = None,
) -> int:
    """Write all weights and buffers of ``network``, those of ``layers`` in ``layout``; returns the bytes of the file.

    Args:
        network: without masks on it (`make_permanent`).
        path: of the file, written whole or not at all.
        layout: ``"dense"`` (plain tensors, the layers not looked at), ``"coo"`` or ``"csr"``.
        layers: names of convolutions and linear layers.
        index: of the indices; the narrowest that holds them by default.

    Raises:
        ModelError: a layer that has no weight matrix, or a network with masks on it.
        EasiEdgeError: the file cannot be written.
    """
    if masks_on(network).keep:
        raise ModelError("the network has masks on its weights: make them permanent before it is stored")
    state = {name: t.detach().cpu().contiguous().clone() for name, t in network.state_dict().items()}
    about: dict[str, Any] = {"schema": 1, "layout": layout, "weights": {}}
    if layout != "dense":
        for layer in layers:
            matrix, name = weight_matrix(network, layer).cpu(), f"{layer}.weight"
            about["weights"][name] = list(state.pop(name).shape)
            state |= {f"{name}/{field}": a for field, a in to_sparse(matrix, layout, index).items()}
    content = safetensors.torch.save(state, {_KEY: json.dumps(about, separators=(",", ":"))})
    write_atomically(Path(path), content)
    return len(content)


def load_sparse(path: str | Path) -> dict[str, Tensor]:
    """The state dict, dense, that `save_sparse` was given.

    Raises:
        ModelError: no such file, or it does not hold what its metadata say.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            written = (file.metadata() or {}).get(_KEY)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if written is None and any("/" in name for name in state):
            raise ValueError("its metadata are gone")
        about: Any = {"layout": "dense", "weights": {}} if written is None else json.loads(written)
        layout, shapes = (
            str(about["layout"]),
            {str(n): [int(s) for s in shape] for n, shape in about["weights"].items()},
        )
    except (
        OSError,
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        reason = str(error).split("\n")[0][:120]
        raise ModelError(f"{path} holds no sparsely stored network ({reason}): store the network again") from error
    for name, shape in shapes.items():
        arrays = {
            f: state.pop(f"{name}/{f}") for f in ("values", "columns", "rows", "starts") if f"{name}/{f}" in state
        }
        if len(shape) < 2 or min(shape) < 1 or sum(math.prod(s) for s in shapes.values()) > LARGEST:
            raise ModelError(
                f"{path}: {name[:80]} has the shape {str(shape)[:80]}, which is no weight's: store the network again"
            )
        state[name] = to_dense(arrays, layout, (shape[0], math.prod(shape[1:]))).reshape(shape)
    return state
