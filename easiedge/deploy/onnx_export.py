"""A network as ONNX, for the engines that run it on devices."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.graph import device_of, evaluating

OPSET = 20


def needed(package: str) -> ModuleType:
    """Import a package of the optional group ``export``.

    Raises:
        EasiEdgeError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise EasiEdgeError(
            f"ONNX export and latency need the package {package}, which is not installed: pip install 'easiedge[export]'"
        ) from error


def one_image(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The first image of the example inputs, on the model's device."""
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    if not inputs or any(x.ndim < 1 or len(x) < 1 for x in inputs):
        raise ModelError("example_inputs must be a tensor (or tuple of tensors) with at least one image")
    return tuple(x[:1].detach().to(device_of(model)) for x in inputs)


def onnx_bytes(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...], opset: int = OPSET) -> bytes:
    """The network in eval mode as a serialised ONNX model for inputs of the example's shape (``torch.onnx``, dynamo exporter).

    Raises:
        EasiEdgeError: a package of the group ``export`` is missing.
        ModelError: the network cannot be exported; says where the exporter stopped.
    """
    for package in ("onnx", "onnxscript"):
        needed(package)
    inputs = tuple(x.clone() for x in (example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)))
    with evaluating(model), torch.no_grad(), _silent():
        try:
            program = torch.onnx.export(model, inputs, dynamo=True, opset_version=opset, verbose=False)
        except Exception as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
            raise ModelError(f"{type(model).__name__} cannot be exported to ONNX opset {opset}: {first}") from error
    assert program is not None
    proto = program.model_proto
    if proto.ByteSize() >= 2**31:
        raise ModelError(f"{type(model).__name__} is over 2 GB as ONNX, more than one file can hold")
    content: bytes = proto.SerializeToString()
    return content


@contextmanager
def _silent() -> Iterator[None]:
    """The exporter's own warnings are about its insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
