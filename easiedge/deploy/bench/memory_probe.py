"""The process in which `easiedge.deploy.bench.memory` measures: a request on stdin, a line of JSON on stdout."""

from __future__ import annotations

import gc
import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch

from easiedge.deploy.bench.engines import ENGINES
from easiedge.deploy.bench.memory import TINY, Memory

RUNS, STATUS, CLEAR = 3, Path("/proc/self/status"), Path("/proc/self/clear_refs")


def probe(engine: str, file: str, shape: list[int], threads: int, tiny: str) -> Memory:
    """Load and run the file; see `Memory`."""
    torch.manual_seed(0)
    images = torch.randn(shape)
    torch.set_num_threads(threads)
    ENGINES[engine].about()  # imports the engine
    if not ENGINES[engine].compiles:
        ENGINES[engine].load(Path(tiny), torch.randn(TINY), threads).run()
    gc.collect()
    before = _megabytes("VmRSS") if _begin_anew() and not ENGINES[engine].compiles else None
    begun = time.perf_counter()
    loaded = ENGINES[engine].load(Path(file), images, threads)
    loaded.run()
    first = 1e3 * (time.perf_counter() - begun)
    for _ in range(RUNS):
        loaded.run()
    peak = _megabytes("VmHWM")
    return Memory(None if peak is None or before is None else peak - before, peak, first)


def _begin_anew() -> bool:
    """Whether the largest resident set could be forgotten."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _megabytes(name: str) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None


if __name__ == "__main__":
    print(json.dumps(probe(**json.load(sys.stdin)).as_json()))
