"""ONNX Runtime on the CPU, with the file that ``easiedge export`` writes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.bench.exported_engine import ExportedEngine
from easiedge.deploy.export.onnx_format import Onnx, opened_session


class OnnxRuntime(ExportedEngine):
    """Graph optimizations on, one operator after the other."""

    name, kind = "onnxruntime", Onnx()

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """A session."""
        opened = opened_session(file, threads)
        feed = {opened.get_inputs()[0].name: images.numpy()}
        return Loaded(lambda: opened.run(None, feed), lambda output: torch.from_numpy(output[0]))
