"""A network as a list of kernel calls over buffers: what lies between its graph and the C text.

Activations lie channels last, ``[height, width, channels]``, one image at a time: a pixel's channels are side by side, which is
what the kernels' innermost loops run over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FLOAT_MAX = float(np.finfo(np.float32).max)
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Value:
    """An activation of one image.

    Attributes:
        buffer: number of the buffer that it lies in.
        channels, height, width: its size; a vector has height and width 1.
        order: of a vector that was an image: the feature, as torch counts them, at each place; None where they are in order.
    """

    buffer: int
    channels: int
    height: int = 1
    width: int = 1
    order: NDArray[np.int64] | None = None

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.pixels * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}" if self.pixels > 1 else str(self.channels)


@dataclass(frozen=True)
class Memory:
    """Argument of a kernel: a buffer, from a place in it on."""

    buffer: int
    start: int = 0


@dataclass(frozen=True)
class Weights:
    """Argument of a kernel: the constants from a place on."""

    start: int


@dataclass(frozen=True)
class Channels:
    """Argument of a kernel: the channel that each output channel is taken from, -1 for zero."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Argument of a kernel: what `kernels/window.c` declares, and 0 for what a kernel does not look at."""

    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    kernel_height: int
    kernel_width: int
    stride_height: int = 1
    stride_width: int = 1
    padding_top: int = 0
    padding_left: int = 0
    dilation_height: int = 1
    dilation_width: int = 1
    groups: int = 1
    padding_counts: int = 0
    divisor: int = 0
    low: float = -FLOAT_MAX
    high: float = FLOAT_MAX


@dataclass(frozen=True)
class Places:
    """Argument of a kernel: a list of whole numbers from 0 to 65,535.

    Attributes:
        name: of the list in the C text.
        numbers: its content.
    """

    name: str
    numbers: tuple[int, ...]


Argument = Memory | Weights | Channels | Places | Window | int | float


@dataclass(frozen=True)
class Call:
    """One call of a kernel, the name of a file in `kernels/` and of the function in it."""

    kernel: str
    arguments: tuple[Argument, ...]


@dataclass
class Layer:
    """A node of the graph that something is computed for.

    Attributes:
        name: of the node.
        what: it does, for a reader.
        macs: multiply-accumulates of one image, as `easiedge.count` counts them.
        calls: in order.
    """

    name: str
    what: str
    macs: int = 0
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Program:
    """All of it.

    Attributes:
        layers: in order.
        sizes: numbers in each buffer.
        image, logits: the buffers that the caller brings.
        input, classes: shape ``(channels, height, width)`` of the image, number of logits.
        constants: name, and numbers as they lie in memory, of all weights, in order.
    """

    layers: tuple[Layer, ...]
    sizes: tuple[int, ...]
    image: int
    logits: int
    input: tuple[int, int, int]
    classes: int
    constants: tuple[tuple[str, Floats], ...]

    @property
    def calls(self) -> list[Call]:
        """All calls in order."""
        return [call for layer in self.layers for call in layer.calls]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def place_bytes(self) -> int:
        """Bytes of the lists that say where weights are that are not zero."""
        return sum(2 * max(1, len(a.numbers)) for call in self.calls for a in call.arguments if isinstance(a, Places))

    @property
    def weights(self) -> int:
        """Numbers among the constants, zeros that fill blocks up included."""
        return sum(values.size for _, values in self.constants)
