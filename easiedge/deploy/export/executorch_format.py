"""A program for ExecuTorch on phones: XNNPACK's kernels, one image at a time.

ExecuTorch rather than LiteRT: it starts from the same ``torch.export`` program, has no second framework in between, and its package
works with current torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from easiedge.atomic import write_atomically
from easiedge.deploy.export.engine_format import Runner
from easiedge.deploy.export.torch_export_format import exported
from easiedge.deploy.onnx_export import needed, silent, stopped_at
from easiedge.errors import ModelError

_EXTRA = "executorch"


class ExecuTorch:
    """``.pte``, run by ExecuTorch's own runtime."""

    name, suffix, dynamic_batch = "executorch", ".pte", False
    beside: tuple[str, ...] = ()

    def engine(self) -> Mapping[str, Any]:
        """Name, version and back end."""
        needed("executorch.exir", _EXTRA)
        version = needed("executorch.version", _EXTRA)
        return {"engine": "executorch", "version": str(version.__version__), "backend": "xnnpack"}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """For one image; what XNNPACK does not know stays with the portable kernels."""
        program = exported(network, example[:1], dynamic_batch=False)
        with silent():
            exir = needed("executorch.exir", _EXTRA)
            xnnpack = needed("executorch.backends.xnnpack.partition.xnnpack_partitioner", _EXTRA)
            try:
                edge = exir.to_edge_transform_and_lower(program, partitioner=[xnnpack.XnnpackPartitioner()])
                content = bytes(edge.to_executorch().buffer)
            except Exception as error:
                raise ModelError(f"ExecuTorch cannot take the network: {stopped_at(error)}") from error
        write_atomically(path, content)

    def runner(self, path: Path, threads: int) -> Runner:
        """The program's method ``forward``."""
        runtime = needed("executorch.runtime", _EXTRA).Runtime.get()
        try:
            program = runtime.load_program(path.read_bytes())
            method = program.load_method("forward")
        except Exception as error:
            raise ModelError(f"ExecuTorch does not run {path.name}: {stopped_at(error)}") from error

        def run(images: Tensor, alive: Any = program) -> Tensor:  # a method does not keep its program
            return torch.cat([method.execute([image[None].contiguous()])[0].clone() for image in images])

        return run
