"""OpenVINO's intermediate representation, made from ONNX: float32, any batch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from easiedge.deploy.export.engine_format import Runner
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.deploy.onnx_export import needed, stopped_at
from easiedge.errors import ModelError


class OpenVino:
    """``.xml`` and ``.bin``, run by OpenVINO on the CPU in float32 (its own choice would be bfloat16 where the processor has it)."""

    name, suffix, dynamic_batch = "openvino", ".xml", True
    beside: tuple[str, ...] = (".bin",)

    def engine(self) -> Mapping[str, Any]:
        """Name and version; the packages that write ONNX must be there too, its engine need not."""
        for package in ("onnx", "onnxscript"):
            needed(package, "openvino")
        return {"engine": "openvino", "version": str(needed("openvino", "openvino").__version__).split("-")[0]}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """By way of ONNX, whose batch stays dynamic."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "network.onnx"
            Onnx().write(network, example, source, metadata)
            self.convert(source, path, metadata)

    def convert(self, source: Path, path: Path, metadata: Mapping[str, str]) -> None:
        """Write an ONNX file as ``path`` and its weights beside it, in the precision they have.

        Raises:
            ModelError: an operator that OpenVINO does not know; it is named.
        """
        openvino = needed("openvino", "openvino")
        try:
            model = openvino.Core().read_model(str(source))
            for name, text in metadata.items():
                model.set_rt_info(text, [name])
            openvino.save_model(model, str(path), compress_to_fp16=False)
        except Exception as error:
            raise ModelError(f"OpenVINO cannot take the network: {stopped_at(error)}") from error

    def runner(self, path: Path, threads: int) -> Runner:
        """A compiled model."""
        compiled = compiled_model(path, threads)

        def run(images: Tensor) -> Tensor:
            return torch.from_numpy(compiled(images.numpy())[0].copy())

        return run


def compiled_model(path: Path, threads: int, shape: Sequence[int] | None = None) -> Any:
    """The file compiled for the CPU in float32 with the engine's latency settings, which are its default.

    Args:
        path: the ``.xml`` file.
        threads: of the engine.
        shape: of the images, where it is to be compiled for just that one.

    Raises:
        ModelError: the engine does not run it; names the operator.
    """
    openvino = needed("openvino", "openvino")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    try:
        core = openvino.Core()
        model = core.read_model(str(path))
        if shape is not None:
            model.reshape({0: list(shape)})
        return core.compile_model(model, "CPU", options)
    except Exception as error:
        raise ModelError(f"OpenVINO does not run {path.name}: {stopped_at(error)}") from error
