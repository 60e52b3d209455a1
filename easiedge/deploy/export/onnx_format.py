"""ONNX for ONNX Runtime: any batch, batch norms folded, what its user needs in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from easiedge.atomic import write_atomically
from easiedge.deploy.export.engine_format import Runner
from easiedge.deploy.latency.engine import NAME, PROVIDER, session
from easiedge.deploy.onnx_export import OPSET, needed, onnx_bytes, stopped_at
from easiedge.errors import ModelError


class Onnx:
    """``.onnx``, run by ONNX Runtime on the CPU."""

    name, suffix, dynamic_batch = "onnx", ".onnx", True
    beside: tuple[str, ...] = ()

    def engine(self) -> Mapping[str, Any]:
        """Name, version, provider and operator set."""
        for package in ("onnx", "onnxscript"):
            needed(package)
        return {"engine": NAME, "version": str(needed(NAME).__version__), "provider": PROVIDER, "opset": OPSET}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """One file, weights inside."""
        write_atomically(path, onnx_bytes(network, example, dynamic_batch=True, metadata=metadata))

    def runner(self, path: Path, threads: int) -> Runner:
        """A session."""
        opened = opened_session(path, threads)
        name = opened.get_inputs()[0].name

        def run(images: Tensor) -> Tensor:
            return torch.from_numpy(opened.run(None, {name: images.numpy()})[0])

        return run


def opened_session(path: Path, threads: int) -> Any:
    """The file in ONNX Runtime.

    Raises:
        ModelError: the engine does not run it; names the operator.
    """
    try:
        return session(path.read_bytes(), threads)
    except Exception as error:  # the runtime's errors have no common class
        raise ModelError(f"ONNX Runtime does not run {path.name}: {stopped_at(error)}") from error
