"""``bench.json``: what was measured, row by row; measurements of the same networks on the same machine add up."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.deploy.bench.engine import Engine
from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number, is_whole

log = logging.getLogger(__name__)
SCHEMA, RECORD = 1, "bench.json"
KEY = ("engine", "network", "precision", "batch", "threads")
NUMBERS = ("median_ms", "p5_ms", "p95_ms", "disturbed", "images_per_s", "share_of_peak", "file_bytes")


class BenchRecord:
    """The record in a folder.

    Args:
        folder: made if need be.
        about: machine, shape of an image, and both networks with their hashes.
        threads: of this sitting.
        absent: engines that are not there, and why.

    Raises:
        EasiEdgeError: what is there is of a later schema.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], threads: int, absent: Mapping[str, str]) -> None:
        self.folder, self.threads = folder, threads
        self.content: dict[str, Any] = {
            "schema": SCHEMA, **about, "sittings": {}, "rows": [], "layers": {}, "reasons": dict(absent),
        }  # fmt: skip
        self.measured: list[Mapping[str, Any]] = []
        path = folder / RECORD
        earlier = read_record(path)
        if earlier is None:
            return
        if _same(earlier) == _same(self.content):
            self.content |= {name: earlier[name] for name in ("sittings", "rows", "layers")}
        else:
            log.info("what %s held is of other networks or another machine, and is replaced", path)

    @property
    def reasons(self) -> dict[str, str]:
        """Why something was not measured."""
        found: dict[str, str] = self.content["reasons"]
        return found

    def begin(self, peak_gmacs: float, cores: Sequence[int], idle_watts: float | None) -> None:
        """What holds for this sitting."""
        self.content["sittings"][str(self.threads)] = {
            "cores": list(cores), "gmacs_per_s": peak_gmacs, "idle_watts": idle_watts,
        }  # fmt: skip

    def add(self, engine: Engine, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows in the place of earlier ones; each says what engine it was."""
        full = [{**row, **{f"engine_{k}": v for k, v in engine.about().items()}} for row in rows]
        new = {tuple(row[k] for k in KEY) for row in full}
        kept = [row for row in self.content["rows"] if tuple(row[k] for k in KEY) not in new]
        self.content["rows"] = [*kept, *full]
        self.measured.extend(full)

    def failed(self, name: str, why: str) -> None:
        """Say why something is not there."""
        self.reasons[name] = why

    def layers(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Both networks layer by layer, with this number of threads."""
        self.content["layers"][str(self.threads)] = list(rows)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        write_atomically(self.folder / RECORD, json.dumps(self.content, indent=1, allow_nan=False) + "\n")


def read_record(path: Path) -> dict[str, Any] | None:
    """What is there; None where there is nothing, or something damaged, which is said: it is measured again.

    Raises:
        EasiEdgeError: it is of a later schema.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read (%s): everything is measured anew", path, str(error)[:80])
        return None
    schema = found.get("schema") if isinstance(found, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise EasiEdgeError(f"{path} has schema {schema}, of a later easiedge: remove it, or update easiedge")
    if schema != SCHEMA or not _is_record(found):
        log.warning("%s is damaged: everything is measured anew", path)
        return None
    return dict(found)


def _is_record(found: Mapping[str, Any]) -> bool:
    kinds = {"sittings": dict, "rows": list, "layers": dict, "networks": dict}
    if not all(isinstance(found.get(name), kind) for name, kind in kinds.items()):
        return False
    return all(isinstance(row, dict) and _is_row(row) for row in found["rows"])


def _is_row(row: Mapping[str, Any]) -> bool:
    texts = all(isinstance(row.get(k), str) for k in ("engine", "network", "precision"))
    return (
        texts
        and all(is_whole(row.get(k)) for k in ("batch", "threads"))
        and all(is_number(row.get(k)) for k in NUMBERS)
    )


def _same(content: Mapping[str, Any]) -> Any:
    """What has to be equal for measurements to stand in one table: where the networks lie does not matter."""
    hashes = {name: n.get("sha256") for name, n in content["networks"].items() if isinstance(n, dict)}
    return content.get("machine"), content.get("input_shape"), hashes
