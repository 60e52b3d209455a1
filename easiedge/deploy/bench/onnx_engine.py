"""ONNX Runtime on the CPU, with the file that ``easiedge export`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.deploy.artifact import load
from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.deploy.export.ready import ready
from easiedge.deploy.latency.engine import session
from easiedge.deploy.onnx_export import stopped_at
from easiedge.errors import ModelError


class OnnxRuntime:
    """Graph optimizations on, one operator after the other."""

    name, quantized, compiles = "onnxruntime", True, False

    def about(self) -> Mapping[str, Any]:
        """Version, provider and operator set."""
        return {key: value for key, value in Onnx().engine().items() if key != "engine"}

    def file(self, artifact: Path, images: Tensor, folder: Path) -> Path:
        """A new ``.onnx``."""
        path = folder / "network.onnx"
        Onnx().write(ready(load(artifact).float()), torch.cat([images[:1], images[-1:]]), path, {})
        return path

    def size(self, file: Path) -> int:
        """The file."""
        return file.stat().st_size

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """A session."""
        try:
            opened = session(file.read_bytes(), threads)
        except Exception as error:  # the runtime's errors have no common class
            raise ModelError(f"ONNX Runtime does not run {file.name}: {stopped_at(error)}") from error
        feed = {opened.get_inputs()[0].name: images.numpy()}
        return Loaded(lambda: opened.run(None, feed), lambda output: torch.from_numpy(output[0]))
