"""Check overrides before anything is made: a wrong request leaves no directory behind."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import DictConfig

from easiedge.errors import EasiEdgeError


def check_overrides(folder: Path, arguments: list[str]) -> None:
    """Compose each single value of the overrides once; raises with the available options when one is wrong.

    Raises:
        EasiEdgeError: an unknown option of a group, with the list of those that exist.
        HydraException: anything else that does not compose.
    """
    flags = [a for a in arguments if a.startswith("-")]
    overrides = [a for a in arguments if not a.startswith("-")]
    if any(flag in ("--help", "-h", "--hydra-help", "--info", "-i", "--cfg", "-c") for flag in flags):
        return
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except OverrideParseException as error:
        raise EasiEdgeError(
            f"{error.override} cannot be read: put quotes around values with spaces or signs, name='...' or name=['one two','three']"
        ) from error
    first = []
    for override, text in zip(parsed, overrides, strict=True):
        group = folder / str(override.key_or_group)
        values = [override.value()] if not override.is_sweep_override() else list(override.sweep_string_iterator())
        if group.is_dir() and not override.is_delete():
            options = sorted(p.stem for p in group.glob("*.yaml"))
            for value in values:
                if isinstance(value, str) and value not in options:
                    raise EasiEdgeError(
                        f"{override.key_or_group}={value} is unknown: choose one of {', '.join(options)}"
                    )
        if override.is_sweep_override():
            text = f"{override.get_key_element()}={values[0]}"
        if override.key_or_group == "hydra.run.dir" and "${" not in text:
            _make_directory(Path(str(override.value())))
        if not str(override.key_or_group).startswith("hydra"):
            first.append(text)
    composed(folder, first)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".writable").touch()
        (directory / ".writable").unlink()
    except OSError as error:
        raise EasiEdgeError(
            f"hydra.run.dir={directory} cannot be written ({error.strerror}): choose another directory"
        ) from error


def composed(folder: Path, overrides: list[str]) -> DictConfig:
    """The configuration with ``overrides``, without running anything."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(folder), version_base="1.3"):
        return compose(config_name="config", overrides=overrides)
