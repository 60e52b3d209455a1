"""ONNX Runtime on the CPU: sessions, and what has to be said with every figure measured on it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easiedge.deploy.onnx_export import OPSET, needed
from easiedge.errors import EasiEdgeError

NAME, PROVIDER = "onnxruntime", "CPUExecutionProvider"


@dataclass(frozen=True)
class Setting:
    """What a latency depends on beside the network.

    Attributes:
        engine: name of the engine.
        version: its version.
        provider: which of its back ends runs the network.
        opset: ONNX operator set of the exported network.
        threads: threads within an operator; operators run one after the other.
        machine: processor, cores and system, in words.
    """

    engine: str
    version: str
    provider: str
    opset: int
    threads: int
    machine: str


def this_setting(threads: int) -> Setting:
    """The engine on the machine at hand.

    Raises:
        EasiEdgeError: the engine is not installed, or the number of threads is not one.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise EasiEdgeError(f"threads={threads} must be a whole number from 1")
    return Setting(NAME, str(needed(NAME).__version__), PROVIDER, OPSET, threads, machine())


def machine() -> str:
    """Processor, cores that this process may use, and system."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name} ({platform.machine()}), {cores} cores, {platform.system()}"


def session(network: bytes, threads: int, profile: Path | None = None) -> Any:
    """A session for a serialised ONNX model.

    Args:
        network: the model.
        threads: threads within an operator.
        profile: folder for the engine's per-operator times and for the graph as the engine runs it (`OPTIMIZED`); no profile without it.
    """
    runtime = needed(NAME)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "profile")
        options.optimized_model_filepath = str(profile / OPTIMIZED)
    return runtime.InferenceSession(network, options, providers=[PROVIDER])


OPTIMIZED = "optimized.onnx"
