"""Post-training int8: ONNX Runtime's static quantization of an exported network.

Weights per output channel, symmetric; activations per tensor with ranges observed on calibration images; quantize and dequantize
operators stand in the graph (QDQ), so that other engines read the file too.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from easiedge.deploy.onnx_export import needed, stopped_at
from easiedge.errors import ModelError

FLOAT = frozenset(
    {"Pad", "Slice"}
)  # stay float: OpenVINO 2026.4 fails on quantized shortcuts that slice and pad (ResNet-56's)
BATCH = 32  # images at once while observing: all activations of a batch are held


def quantize(source: Path, target: Path, images: Tensor) -> None:
    """Write the float network ``source`` with int8 weights and activations as ``target``.

    Args:
        source: ONNX file.
        target: where the quantized one goes.
        images: ``[images, channels, height, width]`` float32, prepared as for the network.

    Raises:
        EasiEdgeError: ONNX Runtime is not installed.
        ModelError: the network cannot be quantized.
    """
    quantization = needed("onnxruntime.quantization")
    preparing = needed("onnxruntime.quantization.shape_inference")
    known = needed("onnxruntime.quantization.registry").QDQRegistry
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        try:
            preparing.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared), str(target), _Calibration(source, images), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                activation_type=quantization.QuantType.QInt8, weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax, op_types_to_quantize=sorted({*known} - FLOAT),
            )  # fmt: skip
        except Exception as error:
            target.unlink(missing_ok=True)
            raise ModelError(f"the network cannot be quantized to int8: {stopped_at(error)}") from error


class _Calibration:
    """Calibration images as ONNX Runtime asks for them: one batch a call, None at the end."""

    def __init__(self, source: Path, images: Tensor) -> None:
        runtime = needed("onnxruntime")
        session = runtime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
        self._name = session.get_inputs()[0].name
        self._batches: Iterator[Tensor] = iter(images.split(BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """The next batch."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch.numpy()}

    def __iter__(self) -> _Calibration:
        return self

    def __next__(self) -> dict[str, Any]:
        found = self.get_next()
        if found is None:
            raise StopIteration
        return found

    def set_range(self, start_index: int, end_index: int) -> None:
        """Not needed: the batches are small."""


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer logs its advice about itself through the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
