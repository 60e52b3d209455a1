"""From the graph of a network to a program: buffers, constants, layers; what each operator does is in `windows`, `pointwise`, `shapes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from easiedge.deploy.c.operators import IDENTITY, called, operator_of, options_of
from easiedge.deploy.c.program import (
    FLOAT_MAX,
    Argument,
    Call,
    Channels,
    Floats,
    Layer,
    Memory,
    Program,
    Value,
    Weights,
)
from easiedge.errors import ModelError

Operator = Callable[["Lowering", fx.Node, Mapping[str, Any]], Any]  # gives the node's Value, or a list of them
_CLAMPS = ("relu", "relu6", "hardtanh", "clamp")


class Lowering:
    """A program while it is made.

    Attributes:
        shapes: of every tensor for two images, by node.
        pieces: shapes of the tensors of a node that gives several.
        fixed: for fixed point: convolutions then read windows inside the image alone, and weights as they lie.
        values: of the nodes done so far: `Value`, a list of them, or what is no tensor.
    """

    def __init__(
        self, network: fx.GraphModule, example: Tensor, operators: Mapping[str, Operator], fixed: bool = False
    ) -> None:
        self.network, self.operators, self.fixed = network, operators, fixed
        self.modules = dict(network.named_modules(remove_duplicate=False))
        self.shapes: dict[fx.Node, torch.Size] = {}
        self.pieces: dict[fx.Node, list[torch.Size]] = {}
        self.values: dict[fx.Node, Any] = {}
        self.layers: list[Layer] = []
        self.sizes: list[int] = []
        self._unread: list[int] = []  # reads of each buffer that are still to come
        self._constants: dict[str, tuple[int, Floats]] = {}
        self._fused: set[fx.Node] = set()
        self._run(example)

    def program(self) -> Program:
        """Lower all nodes.

        Raises:
            ModelError: an operator that C does not know, or not in this form; it is named.
        """
        image = logits = None
        for n in self.network.graph.nodes:
            if n in self.values and n not in self.shapes:
                continue  # no tensor
            if n.op == "placeholder":
                if image is not None or len(self.shapes[n]) != 4:
                    raise ModelError("the network does not take one image [channels, height, width]: C cannot hold it")
                _, channels, height, width = self.shapes[n]
                image = self.values[n] = self.new(channels, height, width)
                self._unread[image.buffer] = len(n.users) + 1  # never overwritten
            elif n.op == "output":
                logits = self._output(n)
            elif n.op != "get_attr":
                self._lower(n)
        assert image is not None and logits is not None
        return Program(
            tuple(layer for layer in self.layers if layer.calls), tuple(self.sizes), image.buffer, logits.buffer,
            (image.channels, image.height, image.width), logits.size,
            tuple((name, values) for name, (_, values) in self._constants.items()),
        )  # fmt: skip

    def new(self, channels: int, height: int = 1, width: int = 1, order: Any = None) -> Value:
        """A value in a buffer of its own."""
        self.sizes.append(channels * height * width)
        self._unread.append(0)
        return Value(len(self.sizes) - 1, channels, height, width, order)

    def new_like(self, n: fx.Node) -> Value:
        """A value for the tensor of node ``n`` in a buffer of its own."""
        return self.new(*self.image_shape(n))

    def image_shape(self, n: fx.Node) -> tuple[int, int, int]:
        """Channels, height and width of a node's tensor.

        Raises:
            ModelError: it is neither an image nor a vector.
        """
        shape = self.shapes[n]
        if len(shape) == 4:
            return shape[1], shape[2], shape[3]
        if len(shape) != 2:
            raise self.refusal(n, f"gives a tensor of {len(shape)} dimensions")
        return shape[1], 1, 1

    def operand(self, n: fx.Node, at: int = 0) -> Value:
        """The value of a tensor that the node reads.

        Raises:
            ModelError: it is no activation.
        """
        source = n.args[at] if len(n.args) > at else None
        value = self.values.get(source) if isinstance(source, fx.Node) else None
        if not isinstance(value, Value):
            raise self.refusal(n, "reads something that is no activation")
        return value

    def free(self, value: Value) -> bool:
        """Whether nobody but the node in hand still reads the value's buffer."""
        return self._unread[value.buffer] == 1

    def overwritten(self, value: Value, n: fx.Node, beside: Value | None = None) -> Value:
        """The same numbers in memory that node ``n`` may change: where they are if nobody else reads them, else in a copy.

        Args:
            value: to be changed.
            n: the node.
            beside: what the node reads too.
        """
        if self.free(value) and (beside is None or beside.buffer != value.buffer):
            return value
        made = self.new(value.channels, value.height, value.width, value.order)
        self.call(n, "copy", value.size, Memory(value.buffer), Memory(made.buffer))
        return made

    def constant(self, name: str, values: Any) -> Weights:
        """Numbers of the program; those of a name are held once."""
        if name not in self._constants:
            numbers = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
            if not np.isfinite(numbers).all():
                raise ModelError(f"{name} holds numbers that are not finite: C cannot hold them")
            if not numbers.size:
                numbers = np.zeros(1, dtype=np.float32)  # C has no empty arrays
            start = sum(v.size for _, v in self._constants.values())
            self._constants[name] = (start, numbers)
        return Weights(self._constants[name][0])

    def call(self, n: fx.Node, kernel: str, *arguments: Argument) -> None:
        """A kernel is called for node ``n``."""
        self.layers[-1].calls.append(Call(kernel, arguments))

    def note(self, what: str, macs: int = 0) -> None:
        """Say what the layer in hand does."""
        self.layers[-1].what, self.layers[-1].macs = what, macs

    def refusal(self, n: fx.Node, why: str) -> ModelError:
        """An error that names the operator."""
        return ModelError(f"C cannot hold the operator {called(n, self.modules)}: it {why}; export to onnx instead")

    def clamp_behind(self, n: fx.Node) -> tuple[float, float, str]:
        """The limits of a ReLU (or other clamp) that alone reads the node; it is then part of it.  And a note on it."""
        last = n
        while len(last.users) == 1:
            user = next(iter(last.users))
            kind = operator_of(user, self.modules)
            if kind in _CLAMPS:
                self._fused.add(user)
                low, high = limits(kind, self._options(kind, user))
                return low, high, f", {kind}"
            if kind != IDENTITY:
                break
            last = user
        return -FLOAT_MAX, FLOAT_MAX, ""

    def _lower(self, n: fx.Node) -> None:
        kind = operator_of(n, self.modules)
        handler = self.operators.get(kind or "")
        if n in self._fused or kind == IDENTITY:
            value = self.operand(n)
        elif handler is None:
            raise self.refusal(n, "is none of those it knows")
        else:
            self.layers.append(Layer(str(n.target) if n.op == "call_module" else n.name, str(kind)))
            value = handler(self, n, self._options(str(kind), n))
        self.values[n] = value
        every = value if isinstance(value, list) else [value]
        for buffer in {v.buffer for v in every}:
            self._unread[buffer] += len(n.users)
        for source in n.all_input_nodes:
            read = self.values.get(source)
            for buffer in {v.buffer for v in (read if isinstance(read, list) else [read]) if isinstance(v, Value)}:
                self._unread[buffer] -= 1

    def _options(self, kind: str, n: fx.Node) -> Mapping[str, Any]:
        known: Callable[[Any], Any] = lambda a: self.values.get(a) if isinstance(a, fx.Node) else a  # noqa: E731
        return options_of(kind, n, self.modules, known)

    def _output(self, n: fx.Node) -> Value:
        source = n.args[0]
        value = self.values.get(source) if isinstance(source, fx.Node) else None
        if not isinstance(source, fx.Node) or not isinstance(value, Value) or len(self.shapes[source]) != 2:
            raise ModelError("its output is not logits [batch, classes]: only classifiers are exported")
        if value.order is not None or self.sizes[value.buffer] != value.size or value.buffer == 0:
            self.layers.append(Layer("output", "in order"))
            made = self.new(value.size)
            places = np.arange(value.size) if value.order is None else np.argsort(value.order)
            self.call(
                n, "pick", 1, 1, value.size, 0, 0, 1, 1, 1, 1, value.size, Channels(tuple(places.tolist())), Memory(value.buffer),
                Memory(made.buffer),
            )  # fmt: skip
            return made
        return value

    def _run(self, example: Tensor) -> None:
        """Shapes of all tensors, and values of what is none, from a run on two images."""
        job = self

        class Run(fx.Interpreter):
            def run_node(self, n: fx.Node) -> Any:
                value = super().run_node(n)
                if isinstance(value, Tensor):
                    job.shapes[n] = value.shape
                elif isinstance(value, tuple | list) and value and all(isinstance(v, Tensor) for v in value):
                    job.pieces[n] = [v.shape for v in value]
                else:
                    job.values[n] = value
                return value

        with torch.no_grad():
            Run(self.network).run(torch.cat([example[:1], example[-1:]]))


def limits(kind: str, options: Mapping[str, Any]) -> tuple[float, float]:
    """What a clamp's outputs lie between."""
    if kind == "relu":
        return 0.0, FLOAT_MAX
    if kind == "relu6":
        return 0.0, 6.0
    low, high = (options["min_val"], options["max_val"]) if kind == "hardtanh" else (options["min"], options["max"])
    return -FLOAT_MAX if low is None else float(low), FLOAT_MAX if high is None else float(high)


def parameter(module: nn.Module, name: str) -> Floats | None:
    """A layer's parameter or buffer as numbers."""
    found = getattr(module, name, None)
    return found.detach().cpu().float().numpy() if isinstance(found, Tensor) else None
