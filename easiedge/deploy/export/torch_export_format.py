"""A program of ``torch.export``: a graph of ATen operators for AOTInductor, ``torch.compile`` and other PyTorch tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.deploy.export.engine_format import Runner
from easiedge.deploy.onnx_export import MOST_IMAGES, called, silent, stopped_at
from easiedge.errors import ModelError


def exported(network: nn.Module, example: Tensor, dynamic_batch: bool) -> Any:
    """The network as a program for images like ``example``.

    Raises:
        ModelError: it cannot be one.
    """
    shapes = ({0: torch.export.Dim("batch", min=1, max=MOST_IMAGES)},) if dynamic_batch else None
    with silent(), torch.no_grad():
        try:
            return torch.export.export(network, (example.clone(),), dynamic_shapes=shapes)
        except Exception as error:
            raise ModelError(f"torch.export cannot take {called(network)}: {stopped_at(error)}") from error


class TorchExport:
    """``.pt2``, run by torch."""

    name, suffix, dynamic_batch = "torch_export", ".pt2", True
    beside: tuple[str, ...] = ()

    def engine(self) -> Mapping[str, Any]:
        """Name and version."""
        return {"engine": "torch.export", "version": str(torch.__version__).split("+")[0]}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """With the metadata as extra files."""
        program = exported(network, example, dynamic_batch=True)
        with silent():
            torch.export.save(program, path, extra_files=dict(metadata))

    def runner(self, path: Path, threads: int) -> Runner:
        """The program as a module."""
        with silent():
            module = torch.export.load(path).module()

        def run(images: Tensor) -> Tensor:
            with torch.inference_mode():
                found: Tensor = module(images)
            return found

        return run
