"""The latency table as one small JSON file that any machine reads, whatever it was measured on."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from easiedge.atomic import write_atomically
from easiedge.deploy.latency.engine import Setting
from easiedge.deploy.latency.streaming import KNOTS, Streaming
from easiedge.deploy.latency.surface import CASES, Form, Samples, Surface
from easiedge.deploy.latency.table import LatencyTable, Quality
from easiedge.errors import EasiEdgeError

SCHEMA = 2


def save_table(table: LatencyTable, path: str | Path) -> None:
    """Write ``table`` whole or not at all.

    Raises:
        EasiEdgeError: the folder cannot be written.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "setting": asdict(table.setting),
        "quality": asdict(table.quality),
        "input_shape": list(table.input_shape),
        "layers": [
            {"name": name, "kind": kind, "in": int(i), "out": int(o)}
            for name, kind, (i, o) in zip(table.layers, table.kinds, table.dense, strict=True)
        ],
        "overhead_ms": table.overhead_ms,
        "factor": table.factor,
        "dense_mb": table.dense_mb,
        "streaming_ms_per_mb": list(table.streaming.ms_per_mb),
        "kinds": {kind: _surface(surface) for kind, surface in table.surfaces.items()},
    }
    write_atomically(Path(path), json.dumps({**content, "sha256": _checksum(content)}, separators=(",", ":")) + "\n")


def load_table(path: str | Path) -> LatencyTable:
    """Read what `save_table` wrote, on this or any other machine.

    Raises:
        EasiEdgeError: the file is missing, damaged, no latency table, or of another schema.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EasiEdgeError(
            f"there is no latency table {path}: make one on the device with 'easiedge latency' and give its latency_table.json"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise EasiEdgeError(
            f"the latency table {path} cannot be read ({str(error)[:200]}): copy it from the device again"
        ) from error
    if not isinstance(content, dict) or "schema" not in content:
        raise EasiEdgeError(f"{path} is no latency table: give the latency_table.json that 'easiedge latency' wrote")
    if content["schema"] != SCHEMA:
        raise EasiEdgeError(
            f"the latency table {path} has schema {str(content['schema'])[:40]}; this version of easiedge reads {SCHEMA}: update easiedge, or make the table anew"
        )
    if content.pop("sha256", None) != _checksum(content):
        raise EasiEdgeError(
            f"the latency table {path} is damaged (its checksum does not fit): copy it from the device again"
        )
    try:
        return _table(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EasiEdgeError(
            f"the latency table {path} is malformed ({type(error).__name__}: {str(error)[:200]}): make it anew with 'easiedge latency'"
        ) from error


def _table(content: dict[str, Any]) -> LatencyTable:
    layers = content["layers"]
    surfaces = {kind: _read_surface(kind, s) for kind, s in content["kinds"].items()}
    overhead, factor, dense_ms = (
        float(v) for v in (content["overhead_ms"], content["factor"], content["quality"]["dense_ms"])
    )
    if not (0 <= overhead < math.inf and 0 <= factor < math.inf and 0 < dense_ms < math.inf):
        raise ValueError(f"overhead_ms={overhead}, factor={factor} and dense_ms={dense_ms} are not times")
    return LatencyTable(
        Setting(**content["setting"]),
        tuple(content["input_shape"]),
        tuple(layer["name"] for layer in layers),
        tuple(layer["kind"] for layer in layers),
        np.array([[layer["in"], layer["out"]] for layer in layers], dtype=np.int64).reshape(-1, 2),
        {layer["kind"]: surfaces[layer["kind"]] for layer in layers},
        overhead,
        factor,
        Quality(**content["quality"]),
        _streaming(content["streaming_ms_per_mb"]),
        float(content.get("dense_mb", 0.0)),
    )


def _streaming(content: list[Any]) -> Streaming:
    found = tuple(float(s) for s in content)
    if len(found) != len(KNOTS) or not all(0 <= s < math.inf for s in found):
        raise ValueError(f"streaming_ms_per_mb is not {len(KNOTS)} numbers from zero")
    return Streaming(found)


def _surface(surface: Surface) -> dict[str, Any]:
    s = surface.samples
    return {
        **asdict(surface.form),
        "coefficients": surface.coefficients.tolist(),
        "samples": [
            [int(n), int(i), int(o), round(float(t), 6)]
            for n, i, o, t in zip(s.network, s.inputs, s.outputs, s.ms, strict=True)
        ],
    }


def _read_surface(kind: str, content: dict[str, Any]) -> Surface:
    network, inputs, outputs, ms = np.array(content["samples"], dtype=np.float64).reshape(-1, 4).T
    found = np.array(content["coefficients"], dtype=np.float64)
    if found.shape != (CASES, 4) or not bool((found >= 0).all() and np.isfinite(found).all()):
        raise ValueError(f"the coefficients of {kind} are not {CASES} x 4 numbers from zero")
    fine, coarse = (int(number) for number in content["alignment"])
    form = Form((fine, coarse), tuple(int(step) for step in content["steps"]))
    if min(fine, coarse, *form.steps) < 1 or len(form.steps) != CASES:
        raise ValueError(f"the steps of {kind} are not {CASES} whole numbers from 1")
    return Surface(kind, form, found, Samples(network.astype(np.int64), inputs, outputs, ms))


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
