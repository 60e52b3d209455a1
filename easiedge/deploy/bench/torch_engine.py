"""PyTorch itself: eager as `easiedge.load` gives the network, and compiled."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.deploy.artifact import artifact_size, load
from easiedge.deploy.bench.engine import Loaded
from easiedge.deploy.onnx_export import silent, stopped_at
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.logits import class_logits


class _OfArtifacts:
    """What loads an artifact as it is."""

    def file(self, artifact: Path, images: Tensor, folder: Path) -> Path:
        """The artifact."""
        return artifact

    def size(self, file: Path) -> int:
        """Weights and architecture."""
        return artifact_size(file)


class TorchEager(_OfArtifacts):
    """Operator by operator, norms and all, without gradients."""

    name, quantized, compiles = "torch", False, False

    def about(self) -> Mapping[str, Any]:
        """Version."""
        return {"version": str(torch.__version__).split("+")[0]}

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """The module."""
        torch.set_num_threads(threads)
        return _loaded(load(file).float().requires_grad_(False), images)


class TorchCompile(_OfArtifacts):
    """``torch.compile`` with the inductor back end, for one batch size."""

    name, quantized, compiles = "torch_compile", False, True

    def about(self) -> Mapping[str, Any]:
        """Version and back end."""
        if not any(shutil.which(name) for name in ("g++", "c++", "clang++")):
            raise EasiEdgeError("torch_compile needs a C++ compiler, and there is none: install g++ or clang")
        return {"version": str(torch.__version__).split("+")[0], "backend": "inductor"}

    def load(self, file: Path, images: Tensor, threads: int) -> Loaded:
        """The compiled module, compiled now."""
        torch.set_num_threads(threads)
        network = load(file).float().requires_grad_(False)
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # its remarks on GPUs that are not there
        try:
            with silent(), torch.inference_mode():
                compiled: Any = torch.compile(network, dynamic=False)
                found = _loaded(compiled, images)
                found.run()
        except Exception as error:
            raise ModelError(f"torch.compile does not take the network: {stopped_at(error)}") from error
        return found


def _loaded(network: nn.Module, images: Tensor) -> Loaded:
    def run() -> Any:
        with torch.inference_mode():
            return network(images)

    def logits(output: Any) -> Tensor:
        found = class_logits(output)
        if found is None:
            raise ModelError("the network is no classifier: its output is not logits [batch, classes]")
        return found

    return Loaded(run, logits)
