"""What an engine has to offer to be timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network in an engine, with its images.

    Attributes:
        run: runs it once on the images; what it returns is the engine's own.
        logits: of that ``[batch, classes]``.
    """

    run: Callable[[], Any]
    logits: Callable[[Any], Tensor]


class Engine(Protocol):
    """An engine.

    Attributes:
        name: as in ``--engines``.
        quantized: whether it runs the int8 files that ``easiedge export`` writes.
        compiles: whether it compiles each network in the process that runs it.
    """

    name: str
    quantized: bool
    compiles: bool

    def about(self) -> Mapping[str, Any]:
        """Its version, and what else its figures depend on.

        Raises:
            EasiEdgeError: it is not installed or cannot work here; says what to install.
        """
        ...

    def file(self, artifact: Path, images: Tensor, folder: Path) -> Path:
        """What the engine loads: made from the artifact in ``folder``, or the artifact itself.

        Raises:
            ModelError: the engine's format cannot hold the network; names the operator.
        """
        ...

    def size(self, file: Path) -> int:
        """Bytes of the file, with all that belongs to it."""
        ...

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """The network, for just these images ``[batch, channels, height, width]``.

        Raises:
            ModelError: the engine does not run it.
        """
        ...
