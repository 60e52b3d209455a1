"""Peak memory of a network in an engine, in a process of its own, and how long its first image takes there.

    peak_mb = (largest resident set from loading to the last run) - (resident set when the engine has run a network of a few numbers)

A process of its own, because memory that something else has used before and given back would hide the peak; a tiny network first, because an
engine's own tables and kernels are there for any network.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from easiedge.child import import_path, module_command
from easiedge.errors import EasiEdgeError, ModelError

TIMEOUT_SECONDS, TINY = 600, (1, 1, 4, 4)


@dataclass(frozen=True)
class Memory:
    """What a network needs.

    Attributes:
        peak_mb: above the engine itself, 1e6 bytes; None where the system does not say, and for an engine that compiles in the process,
            whose compiler takes more than any network.
        process_mb: of the whole process at its peak, with Python and the engine.
        first_image_ms: from the file to the first result, with compiling where the engine compiles, into an empty cache.
    """

    peak_mb: float | None
    process_mb: float | None
    first_image_ms: float

    def as_json(self) -> dict[str, float | None]:
        """For bench.json."""
        return asdict(self)


def measured_memory(engine: str, file: Path, shape: Sequence[int], threads: int, tiny: Path) -> Memory:
    """Run a batch of ``shape`` in a new process.

    Args:
        engine: its name.
        file: what it loads.
        shape: of a batch of images.
        threads: of the engine.
        tiny: a network of a few numbers in the engine's form, for one image of shape `TINY`.

    Raises:
        ModelError: the process broke; says how.
    """
    asked = {"engine": engine, "file": str(file), "shape": list(shape), "threads": threads, "tiny": str(tiny)}
    request = json.dumps(asked)
    environment = {**os.environ, **import_path(), "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as cache:
        environment["TORCHINDUCTOR_CACHE_DIR"] = cache
        return _answer(engine, shape[0], request, environment)


def _answer(engine: str, batch: int, request: str, environment: dict[str, str]) -> Memory:
    try:
        done = subprocess.run(
            module_command("easiedge.deploy.bench.memory_probe"), input=request, capture_output=True, text=True,
            timeout=TIMEOUT_SECONDS, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{engine} needs more than {TIMEOUT_SECONDS} s for a batch of {batch}: try a smaller --batch"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:200]
        how = "was killed, perhaps for want of memory" if done.returncode < 0 else f"said: {said}"
        raise ModelError(f"{engine} broke in a process of its own with a batch of {batch}: it {how}")
    try:
        return Memory(**json.loads(done.stdout.splitlines()[-1]))
    except (ValueError, TypeError, IndexError) as error:
        raise EasiEdgeError(f"the process that measures {engine}'s memory said nothing that can be read") from error
