"""Peak memory of a network in an engine, in a process of its own, and how long its first image takes there.

    peak_mb = (largest resident set from loading to the last run) - (resident set with the engine imported and nothing loaded)

A process of its own, because memory that something else has used before and given back would hide the peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import easiedge
from easiedge.errors import EasiEdgeError, ModelError

TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Memory:
    """What a network needs.

    Attributes:
        peak_mb: above the engine itself, 1e6 bytes; None where the system does not say.
        process_mb: of the whole process at its peak, with Python and the engine.
        first_image_ms: from the file to the first result, with compiling where the engine compiles.
    """

    peak_mb: float | None
    process_mb: float | None
    first_image_ms: float

    def as_json(self) -> dict[str, float | None]:
        """For bench.json."""
        return asdict(self)


def measured_memory(engine: str, file: Path, shape: Sequence[int], threads: int) -> Memory:
    """Run a batch of ``shape`` in a new process.

    Raises:
        ModelError: the process broke; says how.
    """
    request = json.dumps({"engine": engine, "file": str(file), "shape": list(shape), "threads": threads})
    where = str(Path(easiedge.__file__).resolve().parent.parent)
    paths = os.pathsep.join(p for p in (where, os.environ.get("PYTHONPATH", "")) if p)
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "easiedge.deploy.bench.memory_probe"], input=request, capture_output=True, text=True,
            timeout=TIMEOUT_SECONDS, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{engine} needs more than {TIMEOUT_SECONDS} s for a batch of {shape[0]}: try a smaller --batch"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:200]
        how = "was killed, perhaps for want of memory" if done.returncode < 0 else f"said: {said}"
        raise ModelError(f"{engine} broke in a process of its own with a batch of {shape[0]}: it {how}")
    try:
        return Memory(**json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError) as error:
        raise EasiEdgeError(f"the process that measures {engine}'s memory said nothing that can be read") from error
