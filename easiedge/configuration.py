"""Check overrides before anything is made: a wrong request leaves no directory behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf

from easiedge.check_kinds import check_kinds
from easiedge.credentials import check_overrides_hold_no_secret, check_values_hold_no_secret
from easiedge.errors import EasiEdgeError
from easiedge.flags import SHOWING, SWEEPING, parted
from easiedge.flat import flat
from easiedge.launch import Place
from easiedge.plain_values import is_number, is_whole
from easiedge.targets import check_hydra_targets, check_targets
from easiedge.trainer_options import check_trainer

SWEEPER = ("hydra.sweeper", "hydra/sweeper", "hydra.mode")


def check_overrides(folder: Path, arguments: list[str]) -> DictConfig | None:
    """Compose each single value of the overrides once; raises with the available options when one is wrong.

    Returns:
        The configuration, of a sweep with the first values; None where flags such as ``--help`` ask for something else.

    Raises:
        EasiEdgeError: an unknown option of a group, with the list of those that exist; a budget or an objective that cannot be.
        HydraException: anything else that does not compose.
    """
    overrides, flags = parted(arguments)
    check_overrides_hold_no_secret(arguments)
    if any(flag.partition("=")[0] in SHOWING for flag in flags):
        return None
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException as error:
        raise EasiEdgeError(
            f"{error.override} cannot be read: put quotes around values with spaces or signs, name='...' or name=['one two','three']"
        ) from error
    check_hydra_targets(overrides)
    first = []
    for override, text in zip(parsed, overrides, strict=True):
        group = folder / str(override.key_or_group)
        values = values_of(override)
        if group.is_dir() and not override.is_delete():
            options = sorted(p.relative_to(group).with_suffix("").as_posix() for p in group.rglob("*.yaml"))
            for value in values:
                chosen = value if isinstance(value, list) else [value]
                if not isinstance(value, dict) and not all(isinstance(c, str) and c in options for c in chosen):
                    raise EasiEdgeError(
                        f"{override.key_or_group}={str(value)[:80]} is unknown: choose one of {', '.join(options)}"
                    )
        if override.is_sweep_override():
            text = f"{override.get_key_element()}={values[0]}"
            _check_budget(override, values)
        if override.key_or_group == "hydra.run.dir" and "${" not in text:
            _make_directory(Path(str(override.value())))
        if not str(override.key_or_group).startswith("hydra") or str(override.key_or_group).startswith(SWEEPER):
            first.append(text)
    cfg = composed(folder, first, with_hydra=True)
    check_values_hold_no_secret(flat(cfg))
    _check_search(cfg, {o.get_key_element() for o in parsed})
    return cfg


def given_directory(overrides: Sequence[str]) -> Path | None:
    """The run directory that a single run was given on the command line; None where Hydra makes one up, or for a sweep."""
    given, flags = parted(overrides)
    if SWEEPING & {*flags}:
        return None
    found = [o.value() for o in OverridesParser.create().parse_overrides(given) if o.key_or_group == "hydra.run.dir"]
    return Path(found[-1]) if found and isinstance(found[-1], str) and found[-1] and "${" not in found[-1] else None


def processes_asked_for(trainer: DictConfig, place: Place | None) -> int:
    """How many processes ``trainer`` asks for, or ``place`` says that there are.

    Raises:
        EasiEdgeError: not a number of processes, another one than torchrun has started, or a ``timeout`` that is no time.
    """
    asked, timeout = trainer.processes, trainer.timeout
    if not is_whole(asked) or asked < 1:
        raise EasiEdgeError(f"trainer.processes={asked} must be a whole number from 1")
    if not is_number(timeout) or not timeout > 0:
        raise EasiEdgeError(f"trainer.timeout={timeout} must be a number of seconds above 0: 1800 for example")
    if place is None:
        return asked
    if asked not in (1, place.size):
        raise EasiEdgeError(f"trainer.processes={asked}, and {place.size} were started: leave trainer.processes out")
    return place.size


def values_of(override: Override) -> list[Any]:
    """The values that an override goes through; of an interval its ends."""
    if override.is_interval_sweep():
        ends: Any = override.value()
        return [ends.start, ends.end]
    return list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.value()]


def _check_search(cfg: DictConfig, given: set[str]) -> None:
    """The objectives, and what a sweep's own configuration goes through unless the command line says otherwise."""
    from easiedge.report.objectives import check_objectives

    sweeper = cfg.hydra.sweeper
    check_objectives(
        list(cfg.objectives) if OmegaConf.is_list(cfg.objectives) else cfg.objectives, _directions(sweeper)
    )
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items() if str(key) not in given]
    for override in OverridesParser.create().parse_overrides(params):
        if override.is_sweep_override():
            _check_budget(override, values_of(override))


def _directions(sweeper: DictConfig) -> Any:
    directions = sweeper.get("direction")
    return list(directions) if OmegaConf.is_list(directions) else directions


def _check_budget(override: Override, values: Sequence[Any]) -> None:
    """Refuse a sweep over a budget that would find out in the middle that a value cannot be."""
    section, _, name = str(override.key_or_group).partition(".")
    if section != "budget":
        return
    from easiedge.unit import Budget

    if name in Budget.__dataclass_fields__:
        for value in values:
            Budget(**{name: OmegaConf.create(f"value: {value}").value})


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".writable").touch()
        (directory / ".writable").unlink()
    except OSError as error:
        raise EasiEdgeError(
            f"hydra.run.dir={directory} cannot be written ({error.strerror}): choose another directory"
        ) from error


def composed(folder: Path, overrides: list[str], with_hydra: bool = False) -> DictConfig:
    """The configuration with ``overrides``, without running anything.

    Raises:
        EasiEdgeError: a sweep needs a package that is not installed.
        HydraException: anything else that does not compose.
    """
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
        try:
            cfg = compose(config_name="config", overrides=overrides, return_hydra_config=with_hydra)
        except MissingConfigException as error:
            if "hydra/sweeper/optuna" in str(error):
                raise EasiEdgeError(
                    "this search needs Hydra's Optuna sweeper, which is not installed: pip install 'easiedge[optuna]'"
                ) from error
            raise
    check_kinds(cfg)
    check_targets(cfg, overrides)
    check_trainer(cfg.trainer.options)
    return cfg
