"""A network whose gradients are relevances: gradient times value is what layer-wise relevance propagation gives to that value.

Every operation keeps its value y but gets another derivative, such that x dy/dx, summed over what x flows into, hands on the
relevance R_y = y * gradient:

    convolution, linear   R_i = sum over j of (x_i w_ij)^+ / sum over k of (x_k w_kj)^+ * R_j     (z+ rule; biases take nothing)
    norm, activation      R_x = R_y                                                               (identity rule)
    product, quotient     R shared equally among the factors that depend on the input
    sum, pool, mean, shape: the true derivative does it already, in proportion

Where all contributions to an output are negative, its relevance is absorbed; so is, for stability, what the quotient
``y / (z + 1e-6 |y|)`` leaves (at most 1e-6 of it unless the denominator is smaller still).  Operations that easiedge does not know
keep their gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from easiedge.model import operations
from easiedge.model.graph import trace
from easiedge.model.labels import run_with

STABILISER = 1e-6  # of |y|, added to the denominators


@contextmanager
def relevance_network(model: nn.Module) -> Iterator[fx.GraphModule]:
    """Within the context, the traced network with the rules above; it shares the layers of ``model`` and computes the same values.

    Forward hooks that are registered within the context, such as gates, see the outputs after the rule.
    """
    traced = trace(model)
    rules = _Rules(traced)
    hooks, inplace = [], []
    for module in {rules.modules[str(n.target)] for n in traced.graph.nodes if n.op == "call_module"}:
        kind = operations.module_kind(module)
        if kind in ("conv", "linear"):
            hooks.append(module.register_forward_hook(_positive_rule))
        elif kind in ("norm", "elementwise"):
            hooks.append(module.register_forward_hook(_identity_rule))
        if getattr(module, "inplace", False):
            inplace.append(module)
            module.inplace = False  # the rule needs the input as it was
    traced.forward = rules.run  # type: ignore[method-assign]
    try:
        yield traced
    finally:
        for module in inplace:
            module.inplace = True  # type: ignore[assignment]
        for hook in hooks:
            hook.remove()


class _Rules(fx.Interpreter):
    """Run a traced network, with the rules for what is not a module."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.modules = dict(traced.named_modules())
        self.changing = {n for n in traced.graph.nodes if operations.in_place(n, self.modules)}

    def run_node(self, n: fx.Node) -> Any:
        """Compute the node; a value that it would change in place is replaced for its later readers."""
        kind = operations.kind(n, self.modules)
        if n.op == "placeholder":
            value = super().run_node(n)
            return (
                value.detach().requires_grad_() * 1
                if isinstance(value, Tensor) and value.is_floating_point()
                else value
            )
        if n.op not in ("call_function", "call_method", "call_module") or kind not in (
            "elementwise",
            "product",
            "quotient",
        ):
            return super().run_node(n)
        if n.op == "call_module":
            value = super().run_node(n)
        else:
            inputs = n.all_input_nodes[:1] if kind == "elementwise" else n.all_input_nodes
            operands = [self.env[a] for a in inputs if isinstance(self.env[a], Tensor)]
            value = shared(run_with(n, self.modules, self._value), operands)
        if n in self.changing:
            self.env[n.all_input_nodes[0]] = value
        return value

    def _value(self, n: fx.Node) -> Any:
        """What stands for a node where it may be changed in place: a copy, outside the graph of derivatives."""
        value = self.env[n]
        return value.detach().clone() if isinstance(value, Tensor) else value


def shared(y: Tensor, operands: list[Tensor]) -> Tensor:
    """``y`` with a derivative that gives each of the operands that depend on the input an equal share of its relevance."""
    live = [x for x in operands if x.requires_grad]
    y = y.detach()
    return y + sum((x - x.detach()) * (_ratio(y, x.detach()) / len(live)) for x in live)


def _ratio(y: Tensor, z: Tensor) -> Tensor:
    """``y / z``, stabilised; 0 where both are 0."""
    room = STABILISER * y.abs() + torch.finfo(y.dtype).tiny
    return y / torch.where(z < 0, z - room, z + room)


def _identity_rule(module: nn.Module, inputs: tuple[Any, ...], y: Tensor) -> Tensor:
    return shared(y, [inputs[0]])


def _positive_rule(module: nn.Module, inputs: tuple[Any, ...], y: Tensor) -> Tensor:
    x, weight = inputs[0], module.weight
    assert isinstance(weight, Tensor)
    weight, positive = weight.detach(), _run(module, x.clamp(min=0), weight.detach().clamp(min=0))
    if bool((x.detach() < 0).any()):
        positive = positive + _run(module, x.clamp(max=0), weight.clamp(max=0))
    y = y.detach()
    return y + (positive - positive.detach()) * _ratio(y, positive.detach())


def _run(module: nn.Module, x: Tensor, weight: Tensor) -> Tensor:
    """The layer with other weights and without a bias."""
    if isinstance(module, nn.Linear):
        return F.linear(x, weight)
    assert isinstance(module, operations.CONVOLUTIONS)
    return module._conv_forward(x, weight, None)
