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

from easiedge.errors import EasiEdgeError
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
    """Measure, appending every block of units to ``file`` (JSON lines); what is there already is not measured again.

    Args:
        model: the network; left as it was.
        groups: the groups to measure.
        batches: inputs, or (inputs, targets).
        file: the record; its first line identifies network, groups and images.
        share: of each group's units, drawn at random.
        seed: of the draw.
        progress: called with (units measured, units in all, seconds per unit in this sitting).

    Raises:
        EasiEdgeError: ``file`` belongs to another network, other images, or another draw.
    """
    units, known = sampled_units(groups, share, seed), _known(file, _identity(model, batches))
    blocks = [(g, block) for g in groups for block in units[g.name].split(BLOCK)]
    found = {key: record for key, record in known.items() if key in {_key(g.name, b) for g, b in blocks}}
    of, begun, here = sum(len(b) for _, b in blocks), time.perf_counter(), 0
    done = sum(len(b) for g, b in blocks if _key(g.name, b) in found)
    for group, block in blocks:
        key = _key(group.name, block)
        if key not in found:
            start = time.perf_counter()
            now = gains_of(model, [group], batches, {group.name: block.tolist()})[group.name]
            found[key] = {"gains": now.tolist(), "seconds": time.perf_counter() - start}
            with file.open("a") as out:
                out.write(json.dumps({"key": key, **found[key]}) + "\n")
            done, here = done + len(block), here + len(block)
        if progress is not None:
            progress(done, of, (time.perf_counter() - begun) / max(here, 1))
    gains = {
        g.name: torch.tensor(
            [v for b in units[g.name].split(BLOCK) for v in found[_key(g.name, b)]["gains"]], dtype=torch.float64
        )
        for g in groups
    }
    return Measured(units, gains, sum(record["seconds"] for record in found.values()))


def _key(group: str, block: Tensor) -> str:
    return f"{group}:{','.join(map(str, block.tolist()))}"


def _identity(model: nn.Module, batches: Sequence[Any]) -> str:
    """A digest of the network's weights and of the images, however they are batched."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for batch in batches:
        digest.update(inputs_of(batch).detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _known(file: Path, identity: str) -> dict[str, dict[str, Any]]:
    """The records of ``file``, which is begun if it is not there; a last line cut short by a crash is left out."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"identity": identity}) + "\n")
        return {}
    records = []
    for line in file.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    if not records or records[0].get("identity") != identity:
        raise EasiEdgeError(
            f"{file} holds the oracle of another network or of other images: choose another directory (hydra.run.dir=) or delete it"
        )
    if not file.read_text().endswith("\n"):
        with file.open("a") as out:
            out.write("\n")
    return {record["key"]: record for record in records[1:]}
