"""The formats by name."""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.deploy.export.c_format import C, FixedC
from easiedge.deploy.export.engine_format import EngineFormat
from easiedge.deploy.export.executorch_format import ExecuTorch
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.deploy.export.openvino_format import OpenVino
from easiedge.deploy.export.torch_export_format import TorchExport
from easiedge.errors import EasiEdgeError

FORMATS: dict[str, EngineFormat] = {f.name: f for f in (Onnx(), OpenVino(), TorchExport(), ExecuTorch(), C(), FixedC())}


def chosen_formats(names: Sequence[str]) -> list[EngineFormat]:
    """The formats of these names, each once, after asking whether their engines are installed.

    Raises:
        EasiEdgeError: an unknown name, or an engine that is not installed.
    """
    for name in names:
        if name not in FORMATS:
            raise EasiEdgeError(f"--to {name!r} is unknown: choose among {', '.join(FORMATS)}")
    chosen = [FORMATS[name] for name in dict.fromkeys(names)]
    for each in chosen:
        each.engine()
    return chosen
