"""Kill a run again and again, at random moments, and see whether it ends as one that was left alone, bit for bit.

python experiments/fault_injection/kill.py --kills 50 --out results
python experiments/fault_injection/kill.py --kills 50 --out results --method iterative        # goes on where it was

A run is started, killed with SIGKILL after a random part of the time that an unbroken one takes, started again in the same directory, killed
again, ... until it ends; then the next one begins, until so many kills have been made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

QUICK = (
    "logger=none", "trainer.progress=false", "recipe.train.epochs=6", "recipe.finetune.epochs=4", "checkpoints.share=1000",
    "checkpoints.least_seconds=0",
)  # fmt: skip
UNTIMED = ("seconds",)  # of metrics.json
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}


def begin(directory: Path, options: list[str]) -> subprocess.Popen[bytes]:
    """The run in a process of its own."""
    command = [sys.executable, "-m", "easiedge", "prune", *QUICK, *options, f"hydra.run.dir={directory}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def result(directory: Path) -> dict[str, Any]:
    """What has to be the same: figures but for the times, and the files of both networks, epochs and layers."""
    metrics = json.loads((directory / "metrics.json").read_text())
    found = {name: value for name, value in metrics.items() if name not in UNTIMED}
    for name in ("pruned/model.safetensors", "dense/model.safetensors", "curves.csv", "layers.csv"):
        path = directory / name
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    return found


def stage_of(directory: Path) -> str:
    """Where a run was when it was killed, by what it had written."""
    if (directory / "metrics.json").exists():
        return "closing"
    folders = sorted((directory / "checkpoints").glob("[0-9]*"))
    if not folders:
        return "beginning"
    last = folders[-1]
    return f"after {last.name[4:]}" if (last / "end.sealed").exists() else last.name[4:]


def main() -> None:
    """Write ``OUT/kills-METHOD.json`` and print the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--method", default="easiedge")
    parser.add_argument("--signal", choices=SIGNALS, default="kill")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("kills"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen, draw = [f"method={options.method}"], random.Random(options.seed)
    work = options.work / options.method / options.signal
    shutil.rmtree(work, ignore_errors=True)
    begun = time.monotonic()
    whole = begin(work / "whole", chosen)
    said, _ = whole.communicate()
    seconds = time.monotonic() - begun
    if whole.returncode != 0:
        sys.exit(said.decode())
    wanted = result(work / "whole")
    kills: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    while len(kills) < options.kills:
        directory, own, spent = work / f"run{len(runs)}", 0, 0.0
        while True:
            process, after, since = begin(directory, chosen), draw.uniform(0.15, 1.0) * seconds, time.monotonic()
            try:
                said, _ = process.communicate(timeout=after if own < 12 else None)
                spent += time.monotonic() - since
                break
            except subprocess.TimeoutExpired:
                process.send_signal(SIGNALS[options.signal])
                said, _ = process.communicate()
                spent += time.monotonic() - since
                own += 1
                kills.append(
                    {
                        "run": len(runs),
                        "after_s": round(after, 2),
                        "at": stage_of(directory),
                        "status": process.returncode,
                    }
                )
        same = process.returncode == 0 and result(directory) == wanted
        runs.append(
            {
                "kills": own,
                "same": same,
                "seconds": round(spent, 2),
                "status": process.returncode,
                "said": "" if same else said.decode()[-2000:],
            }
        )
        print(
            f"run {len(runs)}: {own} kills, {'the same' if same else 'NOT THE SAME'}; {len(kills)} kills so far",
            flush=True,
        )
        record = {
            "method": options.method,
            "signal": options.signal,
            "unbroken_s": seconds,
            "kills": kills,
            "runs": runs,
        }
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{options.signal}-{options.method}.json").write_text(json.dumps(record, indent=1) + "\n")
    bad = sum(not run["same"] for run in runs)
    print(f"{len(kills)} kills in {len(runs)} runs, {bad} of which did not end as the unbroken one")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
