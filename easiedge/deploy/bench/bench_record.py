"""``bench.json``: what was measured, row by row; measurements of the same networks on the same machine add up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.deploy.bench.engine import Engine
from easiedge.deploy.bench.peak import Peak

SCHEMA, RECORD = 1, "bench.json"
KEY = ("engine", "network", "precision", "batch", "threads")
SAME = ("machine", "input_shape", "networks")


class BenchRecord:
    """The record in a folder.

    Args:
        folder: made if need be.
        about: machine, shape of an image, and both networks with their hashes.
        threads: of this sitting.
        absent: engines that are not there, and why.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], threads: int, absent: Mapping[str, str]) -> None:
        self.folder, self.threads = folder, threads
        self.content: dict[str, Any] = {
            "schema": SCHEMA, **about, "engines": {}, "sittings": {}, "rows": [], "layers": {}, "reasons": {},
        }  # fmt: skip
        earlier = _read(folder / RECORD)
        if all(earlier.get(name) == about[name] for name in SAME):
            self.content |= {k: v for k, v in earlier.items() if k in self.content and k != "reasons"}
        self.reasons: dict[str, str] = self.content["reasons"]
        self.reasons |= absent
        self.measured: list[Mapping[str, Any]] = []

    def begin(self, peak: Peak, cores: Sequence[int], idle_watts: float | None) -> None:
        """What holds for every row with this number of threads."""
        self.content["sittings"][str(self.threads)] = {
            "cores": list(cores), "gmacs_per_s": peak.gmacs_per_s, "gb_per_s": peak.gb_per_s, "idle_watts": idle_watts,
        }  # fmt: skip

    def add(self, engine: Engine, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows in the place of earlier ones."""
        self.content["engines"][engine.name] = dict(engine.about())
        new = {tuple(row[k] for k in KEY) for row in rows}
        kept = [row for row in self.content["rows"] if tuple(row.get(k) for k in KEY) not in new]
        self.content["rows"] = [*kept, *rows]
        self.measured.extend(rows)

    def failed(self, name: str, why: str) -> None:
        """Say why something is not there."""
        self.reasons[name] = why

    def layers(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Both networks layer by layer, with this number of threads."""
        self.content["layers"][str(self.threads)] = list(rows)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        write_atomically(self.folder / RECORD, json.dumps(self.content, indent=1, allow_nan=False) + "\n")


def _read(path: Path) -> dict[str, Any]:
    """What is there; nothing where that is of another schema or damaged: it is measured again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}
