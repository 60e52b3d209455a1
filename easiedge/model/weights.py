"""Start from weights in a file: safetensors, or a state dict that loads without running code."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from easiedge.errors import ModelError


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a ``.safetensors`` file or a weights-only ``torch.save``; half precision becomes float32.

    Raises:
        ModelError: no such file, or it holds anything but tensors by name.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelError(f"weights={path} is not a file: give a .safetensors file or a state dict")
    state: Any
    try:
        if path.suffix == ".safetensors":
            state = safetensors.torch.load(path.read_bytes())
        else:
            _check_packing(path)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises a dozen kinds on damaged files
        reason = str(error).split("\n")[0][:120] if path.suffix == ".safetensors" else "not a weights-only torch.save"
        raise ModelError(
            f"weights={path} cannot be read ({reason}): give a .safetensors file or a plain state dict"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"weights={path} does not hold tensors by name: save model.state_dict()")
    for name, tensor in state.items():
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ModelError(f"weights={path}: {str(name)[:80]} is no plain dense tensor: save model.state_dict()")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ModelError(
                f"weights={path}: {str(name)[:80]} claims {tensor.nbytes} bytes that the file does not hold: save model.state_dict()"
            )
    wrapped = all(str(k).startswith("module.") for k in state)  # as DataParallel saves it
    plain = {str(k).removeprefix("module.") if wrapped else str(k): v for k, v in state.items()}
    return {k: v.float() if v.dtype in (torch.float16, torch.bfloat16) else v for k, v in plain.items()}


def _check_packing(path: Path) -> None:
    """Refuse an archive that grows when it is read: torch.save packs nothing.

    Raises:
        ValueError: it does.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("its entries are packed, which torch.save does not do")


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load the weights in ``path`` into ``model``; all of them must fit.

    Raises:
        ModelError: the file cannot be read, or keys are missing, unknown or of another shape; they are named.
    """
    _load(model, read_weights(path), path)


def transfer_weights(model: nn.Module, path: str | Path) -> None:
    """Load all but the last layer's: those of a network that was trained for other classes.

    Raises:
        ModelError: as `load_weights`, of the other layers; or the network has no last layer to leave out.
    """
    state, own = read_weights(path), model.state_dict()
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    if not layers:
        raise ModelError(f"transfer={path}: the network has no last layer for new classes")
    head = f"{layers[-1]}."
    kept = {k: v for k, v in state.items() if not k.startswith(head)}
    _load(model, kept | {k: v for k, v in own.items() if k.startswith(head)}, path, "transfer")


def _load(model: nn.Module, state: Mapping[str, Tensor], path: str | Path, key: str = "weights") -> None:
    own = model.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    unknown = [k for k in state if k not in own]
    shapes = [
        f"{k} {list(state[k].shape)} instead of {list(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    if missing or unknown or shapes:
        parts = [
            f"{what}: {_some(keys)}"
            for what, keys in (("missing", missing), ("unknown", unknown), ("wrong shape", shapes))
            if keys
        ]
        raise ModelError(
            f"{key}={path} do not fit {type(model).__name__} ({'; '.join(parts)}): choose the model they were saved from"
        )
    model.load_state_dict({**own, **state})


def _some(keys: list[str], most: int = 4) -> str:
    return ", ".join(keys[:most]) + (f" and {len(keys) - most} more" if len(keys) > most else "")
