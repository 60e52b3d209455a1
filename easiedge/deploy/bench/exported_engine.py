"""What engines have in common that load a file of an export format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.deploy.artifact import load
from easiedge.deploy.export.engine_format import EngineFormat
from easiedge.deploy.export.export_record import bytes_of
from easiedge.deploy.export.ready import ready


class ExportedEngine:
    """An engine for the files of ``kind``.

    Attributes:
        kind: the format, as ``easiedge export`` writes it.
    """

    quantized, compiles = True, False
    kind: EngineFormat

    def about(self) -> Mapping[str, Any]:
        """What the format says of its engine, but for the name."""
        return {key: value for key, value in self.kind.engine().items() if key != "engine"}

    def file(self, artifact: Path, images: Tensor, folder: Path) -> Path:
        """A new file of the format."""
        path = folder / f"network{self.kind.suffix}"
        self.kind.write(ready(load(artifact).float()), torch.cat([images[:1], images[-1:]]), path, {})
        return path

    def size(self, file: Path) -> int:
        """The file and those beside it."""
        return bytes_of(file, self.kind.beside)
