"""Going on with a run: what decides it, whether it is finished, and which command it was."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from torch import nn

from easiedge.atomic import write_atomically
from easiedge.deciding import deciding
from easiedge.deploy.artifact import load
from easiedge.errors import EasiEdgeError, WriteError
from easiedge.flags import SWEEPING, parted
from easiedge.flat import flat
from easiedge.model.digest import circumstances, digest
from easiedge.plain_values import is_number
from easiedge.processes import world_size
from easiedge.quoted import quoted
from easiedge.targets import OWN, typed_targets
from easiedge.training.resume.memory import RunMemory
from easiedge.training.resume.pace import Pace

log = logging.getLogger(__name__)
FOLDER, SCORES, COMMAND, FINISHED, IDENTITY = "checkpoints", "scores", "command.json", "finished.json", "identity.json"
GIVEN = "resume="  # the override
RESULT = {
    "train": "dense",
    "prune": "pruned",
    "sparsify": "pruned",
    "search": "pruned",
}  # what a finished run must still hold
_ENVIRONMENT = re.compile(r"\$\{\s*oc\.")  # OmegaConf's resolvers of environment variables and the like


def settings_digest(cfg: DictConfig) -> str:
    """Of every value of the configuration that can change what a run finds."""
    return digest(deciding(flat(cfg)))


def run_memory(cfg: DictConfig, network: nn.Module, directory: Path) -> RunMemory:
    """What the run in ``directory`` remembers, if its settings are those of now.

    Raises:
        EasiEdgeError: ``checkpoints`` holds what means nothing.
    """
    share, least = cfg.checkpoints.share, cfg.checkpoints.least_seconds
    if not (is_number(share) and share > 0 and is_number(least) and least >= 0):
        raise EasiEdgeError(
            f"checkpoints.share={share} must be a number above 0 and checkpoints.least_seconds={least} one from 0: 0.02 and 10 for example"
        )
    now = {**circumstances(network), "number of processes": world_size()}
    return RunMemory(directory / FOLDER, settings_digest(cfg), now, Pace(share, least))


def identity(cfg: DictConfig, directory: Path) -> str:
    """Eight hexadecimal digits that loggers know the run by: those of the run that is gone on with, or new ones."""
    path, settings = directory / FOLDER / IDENTITY, settings_digest(cfg)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["settings"] == settings and re.fullmatch("[0-9a-f]{8}", known["id"]):
            return str(known["id"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    made = secrets.token_hex(4)
    with suppress(WriteError):  # a full disk costs what loggers know the run by when it goes on, and not the run
        write_atomically(path, json.dumps({"settings": settings, "id": made}) + "\n")
    return made


def keep_command(command: str, directory: Path) -> None:
    """Remember the command line, for ``resume=DIR``."""
    overrides = [o for o in HydraConfig.get().overrides.task if not o.startswith(GIVEN)]
    write_atomically(directory / FOLDER / COMMAND, json.dumps({"command": command, "overrides": overrides}) + "\n")


def check_still_there(directory: Path, error: BaseException | None = None, also: str = "") -> None:
    """Raise if somebody has removed the run directory meanwhile: what is written into it now would look like a run and lack its beginning.

    Raises:
        EasiEdgeError: it was.
    """
    if not (directory / FOLDER / COMMAND).exists() or not (directory / also).exists():
        raise EasiEdgeError(f"{directory} was removed while the run was going on: run it again") from error


def finished_before(cfg: DictConfig, command: str, directory: Path) -> dict[str, Any] | None:
    """The figures of the run in ``directory`` if the same command with the same settings has come to its end there."""
    try:
        known = json.loads((directory / FOLDER / FINISHED).read_text(encoding="utf-8"))
        if known != {"command": command, "settings": settings_digest(cfg)}:
            return None
        metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(metrics, dict) or not _whole(directory / RESULT[command]):
        return None
    log.info(
        "finished before: %s has its figures; remove it, or choose another hydra.run.dir, to run again",
        directory / "metrics.json",
    )
    return metrics


def _whole(artifact: Path) -> bool:
    """Whether the network can be read; says why not."""
    try:
        load(artifact)
    except EasiEdgeError as error:
        log.warning(
            "the run in %s has come to its end, but its network is gone or damaged (%s): it runs again",
            artifact.parent,
            error,
        )
        return False
    return True


def finish(cfg: DictConfig, command: str, directory: Path) -> None:
    """The run is at its end: say so, and remove what only going on would have needed."""
    write_atomically(
        directory / FOLDER / FINISHED, json.dumps({"command": command, "settings": settings_digest(cfg)}) + "\n"
    )
    RunMemory(directory / FOLDER, "").forget()
    (directory / FOLDER / IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(directory / FOLDER / SCORES, ignore_errors=True)


def begin_anew(directory: Path) -> None:
    """Figures of an earlier run in ``directory`` are not those of this one."""
    for name in (Path(FOLDER) / FINISHED, Path("metrics.json"), Path("layers.csv")):
        (directory / name).unlink(missing_ok=True)


def _check_kept(overrides: Sequence[str], path: Path) -> None:
    """Refuse a command line that `keep_command` did not write: flags, Hydra's own settings, values read from the environment.

    Raises:
        EasiEdgeError: names the override.
    """
    for override in overrides:
        if override.startswith("-") or override.lstrip("+~").startswith("hydra") or _ENVIRONMENT.search(override):
            raise EasiEdgeError(
                f"{path} holds {override[:80]!r}, which is not taken from a file: give the command again"
            )
    try:
        OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise EasiEdgeError(f"{path} holds overrides that cannot be read: give the command again") from error


def _check_request(given: Sequence[str], rest: Sequence[str]) -> None:
    """Refuse what does not go together with ``resume=DIR``.

    Raises:
        EasiEdgeError: says what.
    """
    _, flags = parted(rest)
    if len(given) > 1 or not given[0].partition("=")[2].strip("'\""):
        raise EasiEdgeError(f"{' '.join(given)} must be one directory of a run: resume=DIR")
    if SWEEPING & {*flags}:
        raise EasiEdgeError(
            "resume=DIR goes on with one run: a sweep goes on with the same command and its hydra.sweep.dir="
        )
    if any(o.lstrip("+~").startswith("hydra.run.dir=") for o in rest):
        raise EasiEdgeError("resume=DIR goes on in DIR: leave hydra.run.dir= out")


def resumed_overrides(command: str, overrides: Sequence[str]) -> list[str]:
    """``resume=DIR`` as the command line of the run in DIR, with what else is given after it.

    Raises:
        EasiEdgeError: DIR is no run that was begun, or one of another command.
    """
    given = [o for o in overrides if o.lstrip("+").startswith(GIVEN)]
    if not given:
        return list(overrides)
    rest = [o for o in overrides if o not in given]
    _check_request(given, rest)
    directory = Path(given[0].lstrip("+").removeprefix(GIVEN).strip("'\""))
    path = directory / FOLDER / COMMAND
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        wanted, earlier = str(known["command"])[:40], [str(o) for o in known["overrides"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EasiEdgeError(
            f"resume={directory} has no {FOLDER}/{COMMAND} that can be read: give the directory of a run that easiedge prune or train began"
        ) from error
    _check_kept(earlier, path)
    if wanted != command:
        raise EasiEdgeError(f"resume={directory} is a run of easiedge {wanted}: easiedge {wanted} resume={directory}")
    typed = typed_targets(parted(rest)[0])
    unknown = typed_targets(earlier) - {target for places in OWN.values() for target in places} - typed
    if unknown:
        name = next(o for o in earlier if typed_targets([o]) & unknown)
        raise EasiEdgeError(
            f"the run in {directory} was made with {name[:120]}, which is not easiedge's own, and nothing is called because a file names it: "
            f"type it again after resume= if it is yours"
        )
    return [*earlier, *rest, f"hydra.run.dir={quoted(directory)}"]
