"""Resident memory and live objects over many calls of what a long run does again and again.

python experiments/fault_injection/leaks.py --times 200 --out results
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[2] / "tests")]

import torch


def resident():
    """Bytes."""
    with Path("/proc/self/status").open() as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    from hostile.repeats import census, repeats

    torch.manual_seed(0)
    found = {}
    for name, again in repeats().items():
        begun = time.perf_counter()
        for _ in range(max(options.times // 10, 3)):  # caches fill, the allocator finds its size
            again()
        before, start = census(), resident()
        for _ in range(options.times):
            again()
        after, end = census(), resident()
        grown = {kind: after[kind] - before[kind] for kind in sorted(after)}
        found[name] = {
            "resident_bytes": end - start,
            "bytes_a_call": round((end - start) / options.times),
            "objects": grown,
        }
        print(f"{name:32} {(end - start) / 1e6:8.2f} MB  {grown}  {time.perf_counter() - begun:.0f} s", flush=True)
        record = {
            "times": options.times,
            "grown": found,
            "versions": {"torch": str(torch.__version__), "python": platform.python_version()},
        }
        (options.out / "leaks.json").write_text(json.dumps(record, indent=1) + "\n")  # as far as it has come


if __name__ == "__main__":
    main()
