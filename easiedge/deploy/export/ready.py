"""A network as exporters get it."""

from __future__ import annotations

import torch
from torch import fx, nn

from easiedge.model.inference import merged


def ready(network: nn.Module) -> fx.GraphModule:
    """A copy in eval mode with batch norms folded into the convolutions before them, and nothing in place."""
    folded = merged(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return folded.eval()  # type: ignore[no-any-return]
