"""The figures of the study's runs as small files: python collect.py OUT, where study.sh wrote them; results/ beside this file is filled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SWEEPS = ("joint", "matrix", "easiedge", "reuse")


def written(path: Path) -> Any:
    return json.loads(path.read_text())


def of_weights(run: Path) -> dict[str, Any]:
    found = written(run / "sparsity.json")
    found["versions"], found["seconds"] = (written(run / "metrics.json")[name] for name in ("versions", "seconds"))
    return found


def of_units(run: Path) -> dict[str, Any]:
    metrics = written(run / "metrics.json")
    metrics["file_bytes"] = (run / "pruned" / "model.safetensors").stat().st_size
    bench = run / "bench" / "bench.json"
    if bench.is_file():
        rows = {row["network"]: row for row in written(bench)["rows"] if row["engine"] == "torch" and row["batch"] == 1}
        metrics["bench"] = {name: rows[name]["median_ms"] for name in ("dense", "pruned")}
        metrics["bench"] |= {"times_faster": rows["pruned"]["times_faster"], "machine": written(bench)["machine"]}
    return metrics


def main(out: Path) -> None:
    RESULTS.mkdir(exist_ok=True)
    for path in sorted(out.glob("*/sparsity.json")):
        if (path.parent / "metrics.json").is_file():
            write(path.parent.name, of_weights(path.parent))
    for name in SWEEPS:
        for path in sorted(out.glob(f"{name}-*/*/metrics.json")):
            write(f"{path.parent.parent.name}-{path.parent.name}", of_units(path.parent))
    for path in sorted(out.glob("dense-*/metrics.json")):
        write(path.parent.name, written(path))


def write(name: str, found: dict[str, Any]) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
