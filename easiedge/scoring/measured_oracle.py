"""The oracle at length: exact information gain of all units or a random share, saved as it goes, resumed where it stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError
from easiedge.model.graph import trace
from easiedge.plain_values import is_number, is_whole
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.information_gain import gains_of
from easiedge.unit import FilterGroup

BLOCK = 16  # units between two savings
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """What the oracle measured.

    Attributes:
        units: the measured units of each group, ascending int64 ``[measured]``.
        gains: their exact information gain in nats, float64 ``[measured]``.
        seconds: spent, over all sittings.
    """

    units: dict[str, Tensor]
    gains: dict[str, Tensor]
    seconds: float


def sampled_units(groups: Sequence[FilterGroup], share: float, seed: int) -> dict[str, Tensor]:
    """A random ``share`` of each group's units, at least one, ascending.

    Raises:
        EasiEdgeError: a share outside (0, 1].
    """
    if not 0.0 < share <= 1.0:
        raise EasiEdgeError(f"share={share} is outside (0, 1]: give the share of the units that the oracle measures")
    generator = torch.Generator().manual_seed(seed)
    return {
        g.name: torch.randperm(g.size, generator=generator)[: max(1, round(share * g.size))].sort().values
        for g in groups
    }


def measure(
    model: nn.Module,
    groups: Sequence[FilterGroup],
    batches: Sequence[Any],
    file: Path,
    *,
    share: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Measured:
    """Measure, appending units to ``file`` (JSON lines) as they are done; a unit that is there, of whatever draw, is not measured again.

    Args:
        model: the network; left as it was.
        groups: the groups to measure.
        batches: inputs, or (inputs, targets).
        file: the record; its first line identifies network and images; every other line holds one unit.
        share: of each group's units, drawn at random.
        seed: of the draw.
        progress: called with (units measured, units in all, seconds per unit in this sitting).

    Raises:
        EasiEdgeError: ``file`` belongs to another network or to other images; or a share outside (0, 1].
    """
    units, known = sampled_units(groups, share, seed), _known(file, _identity(model, batches))
    missing = {g: [u for u in units[g.name].tolist() if (g.name, u) not in known] for g in groups}
    of, begun = sum(len(u) for u in units.values()), time.perf_counter()
    done = start = of - sum(map(len, missing.values()))
    if progress is not None:
        progress(done, of, 0.0)
    for group, left in missing.items():
        for block in (left[i : i + BLOCK] for i in range(0, len(left), BLOCK)):
            before = time.perf_counter()
            now = gains_of(model, [group], batches, {group.name: block})[group.name].tolist()
            each = (time.perf_counter() - before) / len(block)
            lines = [
                {"group": group.name, "unit": u, "gain": v, "seconds": each} for u, v in zip(block, now, strict=True)
            ]
            with file.open("a") as out:
                out.write("".join(json.dumps(line) + "\n" for line in lines))
            known |= {(group.name, line["unit"]): line for line in lines}
            done += len(block)
            if progress is not None:
                progress(done, of, (time.perf_counter() - begun) / (done - start))
    records = {g.name: [known[g.name, unit] for unit in units[g.name].tolist()] for g in groups}
    gains = {name: torch.tensor([r["gain"] for r in found], dtype=torch.float64) for name, found in records.items()}
    return Measured(units, gains, sum(r["seconds"] for found in records.values() for r in found))


def _identity(model: nn.Module, batches: Sequence[Any]) -> str:
    """A digest of what the network computes, of its weights, and of the images, however they are batched."""
    digest = hashlib.sha256(trace(model).code.encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for batch in batches:
        digest.update(inputs_of(batch).detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _known(file: Path, identity: str) -> dict[tuple[str, int], dict[str, Any]]:
    """The records of ``file`` by group and unit; it is begun if it is not there, and what a crash cut short is left out."""
    records = []
    for line in file.read_text(errors="replace").splitlines() if file.exists() else ():
        try:
            records.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    head = {"identity": identity}
    if records and records[0] != head:
        raise EasiEdgeError(
            f"{file} holds the oracle of another network or of other images: choose another directory (hydra.run.dir=) or delete it"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, "".join(json.dumps(record) + "\n" for record in records or [head]))
    return {(record["group"], record["unit"]): record for record in records[1:] if _is_unit(record)}


def _is_unit(record: Any) -> bool:
    """Whether a line holds what one unit gave; another is measured again."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("group"), str)
        and is_whole(record.get("unit"))
        and all(is_number(record.get(name)) for name in ("gain", "seconds"))
    )
