"""OpenVINO on the CPU, in float32, compiled for one batch size."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.bench.exported_engine import ExportedEngine
from easiedge.deploy.export.openvino_format import OpenVino, compiled_model


class OpenVinoRuntime(ExportedEngine):
    """Its latency settings; float32 as the file has it (its own choice would be bfloat16 where the processor has it)."""

    name, kind = "openvino", OpenVino()

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """A request to the compiled model."""
        request = compiled_model(file, threads, images.shape).create_infer_request()
        feed = {0: images.numpy()}
        return Loaded(
            lambda: request.infer(feed, share_inputs=True, share_outputs=True),
            lambda output: torch.from_numpy(output[0].copy()),
        )
