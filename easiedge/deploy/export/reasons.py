"""Why files could not be exported: each reason once, with all files that it kept away."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from easiedge.errors import EasiEdgeError, ModelError


class NotWrittenError(ModelError):
    """A format cannot hold the network; several can stop at the same operator, as one is made by way of another."""


@dataclass(frozen=True)
class Reasons:
    """What kept files away.

    Attributes:
        network: folder of the network.
    """

    network: Path
    _found: dict[str, tuple[EasiEdgeError, list[str], list[str]]] = field(default_factory=dict)

    def add(self, file: str, error: EasiEdgeError, earlier: str = "") -> None:
        """Note that ``file`` could not be made; ``earlier`` says what became of an earlier one."""
        _, files, notes = self._found.setdefault(str(error), (error, [], []))
        files.append(file)
        if earlier:
            notes.append(earlier)

    def errors(self) -> list[EasiEdgeError]:
        """One for each reason, in the order in which they came up."""
        return [_told(self.network, *each) for each in self._found.values()]


def _told(network: Path, error: EasiEdgeError, files: list[str], notes: list[str]) -> EasiEdgeError:
    kind, text = type(error), str(error)
    if isinstance(error, NotWrittenError):
        kind = ModelError
        text = f"{_listed(files)} cannot be made from {network}: {text}"
    return kind("; ".join((text, *notes)))


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
