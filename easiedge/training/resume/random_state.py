"""The states of all random generators, as plain values."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def random_state(gpus: bool = True) -> dict[str, Any]:
    """Of Python, NumPy, torch and, if asked for, every GPU."""
    name, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002  # the global one, which others use
    return {
        "python": random.getstate(),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(gauss)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if gpus and torch.cuda.is_available() else [],
    }  # fmt: skip


def restore_random_state(state: dict[str, Any]) -> None:
    """Put them back."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
