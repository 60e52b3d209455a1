"""A network as ONNX, for the engines that run it on devices."""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.graph import device_of, evaluating

OPSET = 20
MOST_IMAGES = 65_536  # in one batch
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OPERATOR = re.compile(r"\bopset\d+::[A-Za-z_0-9]+|\baten[.:]+[A-Za-z_0-9]+(?:\.[A-Za-z_0-9]+)?")


def needed(package: str, extra: str = "export") -> ModuleType:
    """Import a package of an optional group.

    Raises:
        EasiEdgeError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise EasiEdgeError(
            f"this needs the package {package.partition('.')[0]}, which is not installed: pip install 'easiedge[{extra}]'"
        ) from error


def one_image(model: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The first image of the example inputs, on the model's device."""
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else tuple(example_inputs)
    if not inputs or any(x.ndim < 1 or len(x) < 1 for x in inputs):
        raise ModelError("example_inputs must be a tensor (or tuple of tensors) with at least one image")
    return tuple(x[:1].detach().to(device_of(model)) for x in inputs)


def onnx_bytes(
    model: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...],
    opset: int = OPSET,
    dynamic_batch: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The network in eval mode as a serialised ONNX model for inputs of the example's shape (``torch.onnx``, dynamo exporter).

    Args:
        model: the network.
        example_inputs: images; at least two where the batch is dynamic.
        opset: ONNX operator set.
        dynamic_batch: for any number of images; the one input is then called ``images``, the output ``logits``.
        metadata: texts for the model's metadata.

    Raises:
        EasiEdgeError: a package of the group ``export`` is missing.
        ModelError: the network cannot be exported; says where the exporter stopped.
    """
    for package in ("onnx", "onnxscript"):
        needed(package)
    inputs = tuple(x.clone() for x in (example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)))
    with evaluating(model), torch.no_grad(), silent():
        try:
            options: dict[str, Any] = {}
            if dynamic_batch:
                options = {
                    "dynamic_shapes": tuple({0: torch.export.Dim("batch", min=1, max=MOST_IMAGES)} for _ in inputs),
                    "input_names": ["images"], "output_names": ["logits"],
                }  # fmt: skip
            program = torch.onnx.export(model, inputs, dynamo=True, opset_version=opset, verbose=False, **options)
        except Exception as error:
            raise ModelError(
                f"{called(model)} cannot be exported to ONNX opset {opset}: {stopped_at(error)}"
            ) from error
    assert program is not None
    proto = program.model_proto
    for name, text in (metadata or {}).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = name, text
    if proto.ByteSize() >= 2**31:
        raise ModelError(f"{called(model)} is over 2 GB as ONNX, more than one file can hold")
    content: bytes = proto.SerializeToString()
    return content


def called(model: nn.Module) -> str:
    """What messages call the network: its class, unless that is only the way in which it was loaded."""
    return "the network" if isinstance(model, fx.GraphModule) else type(model).__name__


def stopped_at(error: BaseException) -> str:
    """Where an exporter or engine stopped, in one line: the operator, where one is named, and the first line of its message."""
    texts: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(texts) < 8:
        texts.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    lines = (_COLOURS.sub("", line).strip() for text in texts for line in text.splitlines())
    first = next(
        (line for line in lines if line and not line.startswith("Exception from ")), type(error).__name__
    ).partition(". ")[0]
    named = next((found for text in texts for found in _OPERATOR.findall(text)), None)
    return (f"operator {named}: " if named and named not in first[:200] else "") + first[:200]


@contextmanager
def silent() -> Iterator[None]:
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
