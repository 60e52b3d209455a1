"""Bytes of a network's artifact: its tensors, and what the files hold beside them.

    bytes = sum of the tensors' bytes + header of model.safetensors + architecture.json

Only the first part shrinks with the units; the others are taken from the dense network, with a few bytes to spare for names that
change.  So a limit on this count is never exceeded by the files, and missed by some hundred bytes at most.
"""

from __future__ import annotations

import safetensors.torch
from torch import nn

from easiedge.model.architecture import as_text, describe, reached_state

_SPARE = 64  # the compact network's class and new nodes may have longer names


def artifact_bytes(network: nn.Module) -> tuple[int, int]:
    """Bytes of the artifact's tensors, and upper bound of the bytes beside them.

    Raises:
        ModelError: the network holds something that an artifact cannot.
    """
    description = describe(network)
    state = reached_state(network, description)
    tensors = sum(t.numel() * t.element_size() for t in state.values())
    whole = len(safetensors.torch.save({n: t.detach().cpu().contiguous().clone() for n, t in state.items()}))
    return tensors, whole - tensors + len(as_text(description).encode()) + _SPARE
