"""What a format of an engine has to offer: a file written from the network, and a way to run that file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, fx

Runner = Callable[
    [Tensor], Tensor
]  # images [batch, channels, height, width] float32 to logits [batch, classes] float32


class EngineFormat(Protocol):
    """A format.

    Attributes:
        name: as in ``--to``.
        suffix: of its main file.
        beside: suffixes of files that belong to it, where they are there.
        dynamic_batch: whether the file takes any number of images; one by one where it does not.
    """

    name: str
    suffix: str
    beside: tuple[str, ...]
    dynamic_batch: bool

    def engine(self) -> Mapping[str, Any]:
        """Name and version of the engine, and what else its figures depend on.

        Raises:
            EasiEdgeError: it is not installed; says what to install.
        """
        ...

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the network, in eval mode and float32, for images like ``example`` (two of them).

        Raises:
            ModelError: the format cannot hold it; names the operator.
        """
        ...

    def runner(self, path: Path, threads: int) -> Runner:
        """The engine with the file loaded.

        Raises:
            ModelError: the engine does not run it; names the operator.
        """
        ...
