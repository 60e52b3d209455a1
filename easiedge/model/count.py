"""Parameters and multiply-accumulates of a network as it is.

MACs count convolutions, linear layers and matrix products (attention), per image; norms fold away at inference and are not counted.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from easiedge.model.graph import evaluating, two_images
from easiedge.model.operations import CONVOLUTIONS


def count(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> dict[str, int]:
    """Parameters of the network, and multiply-accumulates per image of one forward pass: ``{"params", "macs"}``."""
    return {"params": sum(p.numel() for p in model.parameters()), "macs": measured_macs(model, example_inputs)[0]}


def layer_macs(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> dict[str, int]:
    """MACs per image of each convolution and linear layer, in the order of their first call."""
    return measured_macs(model, example_inputs)[1]


def measured_macs(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> tuple[int, dict[str, int]]:
    """MACs per image of everything (functions and attention too), and of each convolution and linear layer."""
    macs: dict[str, int] = {}

    def measure(name: str, module: nn.Module, output: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        macs[name] = macs.get(name, 0) + int(output.numel() * module.weight[0].numel()) // 2  # two images

    hooks = [
        module.register_forward_hook(lambda m, i, o, name=name: measure(name, m, o))  # type: ignore[misc]
        for name, module in model.named_modules()
        if isinstance(module, (*CONVOLUTIONS, nn.Linear))
    ]
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel hides its products from the counter
    try:
        with (
            evaluating(model),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            model(*two_images(model, example_inputs))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops() // 4, macs  # two operations a MAC, two images
