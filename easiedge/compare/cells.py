"""The cells of a comparison, and the same training for all of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import DictConfig

from easiedge.assembly import make_recipe
from easiedge.compare.cell import Cell, Setting
from easiedge.compare.request import Request
from easiedge.configuration import composed
from easiedge.errors import EasiEdgeError
from easiedge.projection.budget import FIELDS
from easiedge.report.comparison_text import CONTROL

UNPRUNED = "unpruned"  # the control's preset
QUIET = ("trainer.progress=false", "hydra/job_logging=file")
NAME_LENGTH = 100


@dataclass(frozen=True)
class Plan:
    """What a comparison runs.

    Attributes:
        first: a cell for each seed; they train the dense network that the others of their seed start from.
        others: the rest.
        epochs: that every cell trains after the dense network.
    """

    first: Sequence[Cell]
    others: Sequence[Cell]
    epochs: int

    @property
    def cells(self) -> list[Cell]:
        """All of them."""
        return [*self.first, *self.others]


def plan(request: Request, folder: Path, overrides: Sequence[str]) -> Plan:
    """Every cell of a comparison.

    All train for equally many epochs after the dense network: what a schedule does not use goes into its fine-tuning.

    Args:
        request: what is compared.
        folder: of the configuration.
        overrides: of the command line, without those of ``compare`` and ``hydra``.

    Raises:
        EasiEdgeError: overrides that a comparison sets itself, unknown methods, or epochs that leave no fine-tuning.
    """
    _check(request, overrides)
    labels = _labels(request)
    settings = {label: composed(folder, _joined(overrides, own)) for label, own in labels.items()}
    tuning = equal_training(request.epochs, settings)
    taken: set[str] = set()
    found = []
    if request.control:
        nothing = [f"budget.{name}={0 if name == 'filters_removed' else 'null'}" for name in FIELDS]
        own: tuple[str, ...] = (f"method={UNPRUNED}", *nothing, f"recipe.finetune.epochs={tuning['']}")
        others = [o for o in overrides if not _key(o).startswith("budget.")]
        setting = Setting("", "", None)
        found += [_cell(setting, seed, "dense-trained-on", others, own, taken) for seed in request.seeds]
    for budget in request.budgets:
        for label, own in labels.items():
            for scope in request.scopes or [str(settings[label].projection.scope)]:
                setting = Setting(label, scope, budget)
                name = f"{_slug(label)}-{scope}-{request.by}-{budget:g}"
                set_here = (
                    *(o for o in own if _key(o) != "projection"),
                    f"projection={scope}",
                    f"budget.{request.by}={budget!r}",
                    f"recipe.finetune.epochs={tuning[label]}",
                )
                found += [_cell(setting, seed, name, overrides, set_here, taken) for seed in request.seeds]
    first = {cell.seed: cell for cell in reversed(found)}
    return Plan(list(first.values())[::-1], [cell for cell in found if cell is not first[cell.seed]], tuning[""])


def equal_training(asked: int | None, settings: Mapping[str, DictConfig]) -> dict[str, int]:
    """Epochs of the closing fine-tuning by label, and of the control under ``""``.

    ``finetune = N - schedule`` with ``N = max(schedule + recipe)`` over the labels, unless ``asked`` gives N.
    """
    before, total = {}, 0
    for label, cfg in settings.items():
        before[label] = int(instantiate(cfg.schedule).training_epochs)
        total = max(total, before[label] + make_recipe(cfg, "finetune").epochs)
    total = asked or total
    longest = max(before, key=lambda label: before[label])
    if total <= before[longest]:
        raise EasiEdgeError(
            f"compare.epochs={total} leaves no fine-tuning for {longest!r}, which trains for {before[longest]} epochs before: give more than that"
        )
    return {label: total - used for label, used in before.items()} | {"": total}


def _labels(request: Request) -> dict[str, tuple[str, ...]]:
    """Overrides by what tables call the method."""
    found: dict[str, tuple[str, ...]] = {}
    for method in request.methods:
        for label, own in _labelled(method, request):
            if label in found:
                raise EasiEdgeError(f"compare.methods holds {label!r} twice: give each a name of its own")
            found[label] = own
    return found


def _check(request: Request, overrides: Sequence[str]) -> None:
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.key_or_group
        if override.is_sweep_override():
            raise EasiEdgeError(
                f"{override.input_line}: a comparison takes one value here; it sweeps over compare.methods, criteria, scopes, budgets and seeds"
            )
        if key == f"budget.{request.by}":
            raise EasiEdgeError(
                f"{override.input_line}: a comparison takes its budgets from compare.budgets=[...], of the kind compare.by={request.by}"
            )
        set_by = {
            "method": "methods",
            **(dict.fromkeys(("projection", "projection.scope"), "scopes") if request.scopes else {}),
            **(dict.fromkeys(("scoring", "scoring.criterion"), "criteria") if request.criteria else {}),
        }
        if key in set_by:
            raise EasiEdgeError(f"{override.input_line}: a comparison sets it from compare.{set_by[key]}=[...]")


def _labelled(method: str, request: Request) -> list[tuple[str, tuple[str, ...]]]:
    """(label, overrides) of one entry of ``compare.methods``, for every criterion."""
    label, colon, rest = method.partition(": ")
    if not colon or "=" in label:
        label, rest = method, method
    name, *behind = rest.split()
    varied = {"seed", "method", *(("projection", "projection.scope") if request.scopes else ())}
    varied |= {"scoring", "scoring.criterion"} if request.criteria else set()
    if any(_key(o) in varied or _key(o).startswith(("budget.", "compare.", "hydra")) for o in behind):
        raise EasiEdgeError(
            f"compare.methods entry {method!r} sets what the comparison varies or shares: leave budget, seed, method, compare and hydra to "
            "it, and projection and scoring too, unless compare.scopes=[] and compare.criteria=[] leave them to each method"
        )
    if label == CONTROL:
        raise EasiEdgeError(
            f"compare.methods entry {method!r} is called as the row of the dense network trained on: give it another name"
        )
    own = (f"method={name}", *behind)
    if not request.criteria:
        return [(label, own)]
    return [(f"{label} {criterion}", (*own, f"scoring={criterion}")) for criterion in request.criteria]


def _cell(setting: Setting, seed: int, name: str, others: Sequence[str], own: Sequence[str], taken: set[str]) -> Cell:
    name = f"{name}-seed{seed}"
    if name in taken:
        name += (
            f"-{zlib.crc32(' '.join(own).encode()):08x}"  # labels that differ only in signs a file name does not have
        )
    taken.add(name)
    set_here = (*own, f"seed={seed}", *QUIET)
    return Cell(setting, seed, name, tuple(_joined(others, set_here)))


def _joined(others: Sequence[str], own: Sequence[str]) -> list[str]:
    """The overrides of the command line, without those that the cell gives itself, and the cell's."""
    keys = {_key(o) for o in own}
    return [*(o for o in others if _key(o) not in keys), *own]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").partition("@")[0]


def _slug(label: str) -> str:
    """The label as part of a file name."""
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", label).strip("-.")
    return slug if len(slug) <= NAME_LENGTH else f"{slug[:NAME_LENGTH]}-{zlib.crc32(label.encode()):08x}"
