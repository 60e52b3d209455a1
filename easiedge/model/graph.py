"""Trace a network into a `torch.fx` graph: the one form in which easiedge analyses and rewrites networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from easiedge.errors import ModelError

_FUNCTIONAL_DROPOUT: dict[Any, type[nn.Module]] = {
    F.dropout: nn.Dropout,
    F.dropout1d: nn.Dropout1d,
    F.dropout2d: nn.Dropout2d,
    F.dropout3d: nn.Dropout3d,
    F.alpha_dropout: nn.AlphaDropout,
}


class _Tracer(fx.Tracer):
    """Keep torch.nn layers, and layers that behave differently in training, as leaves of the graph."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Leaves are the layers of torch.nn and stochastic depth; everything else is looked into."""
        return type(m).__name__ in ("StochasticDepth", "DropBlock2d", "DropBlock3d") or super().is_leaf_module(
            m, module_qualified_name
        )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Put ``model`` into eval mode and give every submodule its own mode back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield model
    finally:
        for module, mode in modes:
            module.training = mode


def device_of(model: nn.Module) -> torch.device:
    """Device of the first parameter or buffer; the CPU for a model without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def two_images(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, ...]:
    """Example inputs cut or repeated to a batch of two, on the model's device: enough to tell batch from channels."""
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    if not inputs or not all(isinstance(x, Tensor) and x.ndim > 0 and x.shape[0] > 0 for x in inputs):
        raise ModelError(
            "example_inputs must be a tensor (or tuple of tensors) with at least one image along its first dimension"
        )
    device = device_of(model)
    return tuple(torch.cat([x[:1], x[-1:]]).to(device) for x in inputs)


def trace(model: nn.Module) -> fx.GraphModule:
    """Return the graph of ``model``'s forward in eval mode; its submodules are ``model``'s own, not copies.

    Raises:
        ModelError: the forward cannot be traced, for example because it branches on values of tensors.
    """
    if isinstance(model, fx.GraphModule):
        return fx.GraphModule(model, _copy(model.graph))
    with evaluating(model):
        try:
            graph = _Tracer().trace(model)
        except Exception as error:
            raise ModelError(
                f"the forward of {type(model).__name__} cannot be traced by torch.fx ({_first_line(error)}): "
                "replace branches on tensor values and *args by plain tensor operations, or prune a submodule that can be traced"
            ) from error
    traced = fx.GraphModule(model, graph, class_name=type(model).__name__)
    _dropout_as_modules(traced, model.training)
    return traced


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _copy(graph: fx.Graph) -> fx.Graph:
    copy = fx.Graph()
    result = copy.graph_copy(graph, {})
    copy.output(result)
    return copy


def _dropout_as_modules(traced: fx.GraphModule, training: bool) -> None:
    """Turn functional dropout into modules: tracing froze its ``training`` flag, a module keeps following the mode."""
    for number, node in enumerate(list(traced.graph.nodes)):
        if node.op == "call_function" and node.target in _FUNCTIONAL_DROPOUT:
            p = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
            name = f"functional_dropout_{number}"
            traced.add_submodule(name, _FUNCTIONAL_DROPOUT[node.target](p).train(training))
            with traced.graph.inserting_after(node):
                new = traced.graph.call_module(name, (node.args[0],))
            node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.recompile()
