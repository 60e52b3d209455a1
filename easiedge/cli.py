"""The command line: ``easiedge COMMAND [overrides]``.  Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMANDS = {
    "train": "train the dense baseline",
    "prune": "the main job: train or load, ADMM, shrink, fine-tune, artifact",
    "score": "how faithful criteria are to the exact information gain",
    "compare": "global against layerwise at a matched budget, paired seeds (not in this version)",
    "report": "one page, tables and pictures from the runs below a directory",
    "export": "ONNX and other formats, outputs checked against the artifact (not in this version)",
    "bench": "milliseconds on this device, layer by layer: makes a latency table",
}
READY = ("train", "prune", "score", "bench", "report")
PLAIN = ("report",)  # commands with options of their own instead of Hydra's overrides
ASSUMED = {"bench": ("device=this_machine",)}  # options that a command takes unless told otherwise

USAGE = """easiedge makes trained networks small by global filter pruning.

usage: easiedge COMMAND [overrides]      overrides are Hydra's: key=value, group=option; -m sweeps over values
       easiedge COMMAND --help           every option of a command, with its default
       easiedge --help | --version

commands:
{commands}

examples:
  easiedge prune                                                        digits, half of the filters
  easiedge prune data=mnist data.root=DIR budget.filters_removed=0.8
  easiedge prune data=cifar10 model=vgg16 weights=FILE budget.macs_removed=0.5 method=one_shot
  easiedge score data=cifar10 data.root=DIR model=resnet56 weights=FILE fidelity.share=0.25
  easiedge prune -m budget.filters_removed=0.3,0.5,0.7 seed=0,1,2
  easiedge report multirun                                              a page over all runs below a folder
  easiedge bench model=torchvision model.name=mobilenet_v2 device.input_shape=[3,224,224] device.threads=4

exit status: 0 done, 2 the request was wrong, 1 it broke while running, 130 interrupted"""


def conf_dir() -> Path:
    """The configuration folder: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 0, 1, 2 or 130."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run one command and return its exit status."""
    if argv and argv[0] in ("-V", "--version"):
        from easiedge import __version__

        print(f"easiedge {__version__}")
        return 0
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands="\n".join(f"  {name:8} {what}" for name, what in COMMANDS.items())))
        return 0 if argv else 2
    command, *overrides = argv
    overrides = with_assumed(command, overrides)
    if command not in COMMANDS:
        return refuse(f"unknown command {command!r}: choose one of {', '.join(COMMANDS)} (easiedge --help)")
    if command not in READY:
        return refuse(
            f"'easiedge {command}' is not in this version: it comes with a later one; 'easiedge prune' is ready"
        )
    if command in PLAIN:
        return _guarded(lambda: _report(overrides))
    return _guarded(lambda: _hydra(command, overrides))


def with_assumed(command: str, overrides: list[str]) -> list[str]:
    """The overrides, after those that the command takes where none of the same group is given."""
    given = {override.partition("=")[0] for override in overrides}
    return [*(a for a in ASSUMED.get(command, ()) if a.partition("=")[0] not in given), *overrides]


def refuse(message: str) -> int:
    """Say in one line what was wrong with the request; exit status 2."""
    print(f"easiedge: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _guarded(job: Callable[[], int]) -> int:
    """Turn every way a job can end into an exit status, with one line on stderr and a traceback only for debugging."""
    debug = os.environ.get("EASIEDGE_DEBUG") == "1"
    try:
        return job()
    except KeyboardInterrupt:
        print("easiedge: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except SystemExit as stop:  # Hydra's own --help and the like
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else refuse(str(stop.code))
    except BaseException as error:
        if debug:
            raise
        if (wrong := wrong_request(error)) is not None:
            return refuse(wrong)
        print(
            f"easiedge: broke while running: {type(error).__name__}: {_first(error)} (EASIEDGE_DEBUG=1 shows where)",
            file=sys.stderr,
        )
        return 1


def wrong_request(error: BaseException | None) -> str | None:
    """The message if the error, or what it was raised from, says that the request was wrong; else None."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from easiedge.errors import EasiEdgeError

    seen: set[int] = set()
    hydra_message = None
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, EasiEdgeError):
            return str(error)
        if isinstance(error, HydraException | OmegaConfBaseException):
            hydra_message = hydra_message or _first(error)
        if isinstance(error, PermissionError | FileExistsError | NotADirectoryError) or getattr(
            error, "errno", None
        ) in (28, 30):
            where, what = getattr(error, "filename", ""), getattr(error, "strerror", error)
            return f"cannot use {where} ({what}): mend its permissions, free some space, or choose another place (hydra.run.dir=)"
        error = error.__cause__
    return hydra_message


def _first(error: BaseException) -> str:
    """The message in one line; Hydra's lists of available options stay in it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    lines = [
        line
        for line in lines
        if not line.startswith(("full_key:", "object_type=", "Set the environment variable", "Config search path"))
    ]
    text = " ".join(lines[:14]) or type(error).__name__
    return text.split("Config search path")[0].strip()


def _report(arguments: list[str]) -> int:
    from easiedge.report.page.command import report

    return report(arguments)


def _hydra(command: str, overrides: list[str]) -> int:
    """Compose the configuration and run the command's job, once or as a sweep."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come to us, not to Hydra's own reporting
    import hydra

    from easiedge.configuration import check_overrides

    folder = conf_dir()
    if not folder.is_dir():
        return refuse(f"the configuration folder {folder} is missing: install easiedge again")
    check_overrides(folder, overrides)
    os.environ.setdefault("WANDB_SILENT", "true")

    failures: list[Exception] = []

    def job(cfg: Any) -> None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from easiedge.pipeline import JOBS

        try:
            JOBS[command](cfg)
        except Exception as error:
            if (
                HydraConfig.get().mode is RunMode.MULTIRUN
            ):  # the launcher may run jobs elsewhere: let it carry the error
                raise
            failures.append(error)

    job.__module__ = "easiedge"
    argv, sys.argv = sys.argv, [f"easiedge {command}", *overrides]
    try:
        hydra.main(version_base="1.3", config_path=str(folder), config_name="config")(job)()
    finally:
        sys.argv = argv
    if failures:
        raise failures[0]
    return 0
