"""Seconds, memory and bytes of ``easiedge report`` over made-up runs: ``python experiments/report_scale/measure.py [RUNS] [REPEATS]``."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from runs_on_disk import write_study

FINETUNE = (1, 2, 5, 10, 20)
BUDGETS = (0.3, 0.4, 0.5, 0.6, 0.7)


def make(folder: Path, runs: int) -> int:
    """Two networks, two methods, two scopes, five budgets, five lengths of fine-tuning, and as many seeds as that takes."""
    seeds = max(1, runs // (2 * 2 * 2 * len(BUDGETS) * len(FINETUNE)))
    number = 0
    for model, data in (("lenet", "digits"), ("vgg16", "cifar10")):
        for epochs in FINETUNE:
            number += write_study(
                folder / f"{data}-{epochs}", seeds, BUDGETS, finetune=epochs, model=model, data=data, latency=model == "vgg16", recipe__train__epochs=40
            )  # fmt: skip
    return number


def once(folder: Path) -> dict[str, float]:
    """One report in a process of its own."""
    shutil.rmtree(folder / "report", ignore_errors=True)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "easiedge", "report", str(folder)], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": round(wall, 2),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "peak_mb": round(after.ru_maxrss / 1000),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and write ``results.json``."""
    given = [int(a) for a in sys.argv[1:]]
    runs, repeats = (*given, *(2000, 5)[len(given) :])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        number = make(folder, runs)
        measured = [once(folder) for _ in range(repeats)]
        report = folder / "report"
        found = {
            "runs": number,
            "page_bytes": (report / "index.html").stat().st_size,
            "csv_bytes": (report / "runs.csv").stat().st_size,
            "pictures": len(list((report / "pictures").glob("*.png"))),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "repeats": measured,
        }
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
