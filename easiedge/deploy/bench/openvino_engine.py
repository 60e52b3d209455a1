"""OpenVINO on the CPU, in float32, compiled for one batch size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from easiedge.deploy.artifact import load
from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.export.openvino_format import OpenVino
from easiedge.deploy.export.ready import ready
from easiedge.deploy.onnx_export import needed, stopped_at
from easiedge.errors import ModelError


class OpenVinoRuntime:
    """Its latency settings; float32 as the file has it (its own choice would be bfloat16 where the processor has it)."""

    name, quantized, compiles = "openvino", True, False

    def about(self) -> Mapping[str, Any]:
        """Version."""
        return {key: value for key, value in OpenVino().engine().items() if key != "engine"}

    def file(self, artifact: Path, images: Tensor, folder: Path) -> Path:
        """A new ``.xml`` and ``.bin``."""
        path = folder / "network.xml"
        OpenVino().write(ready(load(artifact).float()), torch.cat([images[:1], images[-1:]]), path, {})
        return path

    def size(self, file: Path) -> int:
        """Both files."""
        return sum(each.stat().st_size for each in (file, file.with_suffix(".bin")))

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """A request to the compiled model."""
        openvino = needed("openvino", "openvino")
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        try:
            core = openvino.Core()
            model = core.read_model(str(file))
            model.reshape({0: list(images.shape)})
            request = core.compile_model(model, "CPU", options).create_infer_request()
        except Exception as error:
            raise ModelError(f"OpenVINO does not run {file.name}: {stopped_at(error)}") from error
        feed = {0: images.numpy()}
        return Loaded(
            lambda: request.infer(feed, share_inputs=True, share_outputs=True),
            lambda output: torch.from_numpy(output[0].copy()),
        )
