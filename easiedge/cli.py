"""The command line: ``easiedge COMMAND [overrides]``.  Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from easiedge.beside import beside, silent
from easiedge.follow_parent import follow_parent
from easiedge.launch import FOLDER, LOST, Place, launch, launched, own_place
from easiedge.plain_text import plain
from easiedge.training.resume.halt import HALT, Terminated, stoppable

COMMANDS = {
    "train": "train the dense baseline",
    "prune": "the main job: train or load, ADMM, shrink, fine-tune, artifact",
    "search": "the smallest widths of a tiny network that keep its accuracy: GRS, Jump-GRS, information gain",
    "score": "how faithful criteria are to the exact information gain",
    "sensitivity": "accuracy as one layer at a time loses units, without fine-tuning",
    "classifiers": "k-nearest neighbours and support vector machines on the network's features",
    "sparsify": "single weights or kernels pruned by the classical methods: accuracy, file and run time at each ratio",
    "compare": "global against layerwise at matched budgets, paired by seed, with intervals and tests",
    "report": "one page, tables and pictures from the runs below a directory",
    "export": "ONNX, OpenVINO and other formats of a run's network, each checked against the artifact",
    "predict": "labels, probabilities and ms per image for image files, by a run's network",
    "workspace": "the W&B dashboard with the right panels: ENTITY/PROJECT, or FILE.json to look at it",
    "bench": "milliseconds, memory and size of a run's network beside the dense one, in several engines",
    "latency": "milliseconds on this device, layer by layer: makes a table that budgets can be held against",
}
PLAIN = (
    "report",
    "export",
    "predict",
    "bench",
    "workspace",
)  # commands with arguments of their own instead of Hydra's overrides
SEVERAL = ("train", "prune")  # commands that several processes can share
ASSUMED = {"latency": ("device=this_machine",)}  # options that a command takes unless told otherwise

INTERRUPTED, TERMINATED = 130, 143  # exit statuses
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
  easiedge prune data=cifar10 model=vgg16 trainer.processes=4           one run in four processes of this machine
  easiedge score data=cifar10 data.root=DIR model=resnet56 weights=FILE fidelity.share=0.25
  easiedge search model=nn1 data=breast_cancer search=jump_grs          tiny networks: widths, then weights and digits, down to C
  easiedge prune -m budget.filters_removed=0.3,0.5,0.7 seed=0,1,2
  easiedge compare compare.budgets=[0.3,0.5,0.7] compare.seeds=5
  easiedge report multirun                                              a page over all runs below a folder
  easiedge export runs/DAY/TIME --to onnx,openvino --int8               files for engines, proved on the run's test images
  easiedge predict runs/DAY/TIME PHOTO.jpg
  easiedge sparsify data=mnist data.root=DIR sparsity.schedule=iterative sparsity.ratios=[0.5,0.8,0.9]
  easiedge bench runs/DAY/TIME                                          how much faster it became, and where the time goes
  easiedge latency model=torchvision model.name=mobilenet_v2 device.input_shape=[3,224,224] device.threads=4

Stopped, by Ctrl-C, SIGTERM or worse, a run goes on with the same command in the same hydra.run.dir=, or resume=DIR.

exit status: 0 done, 2 the request was wrong, 1 it broke while running, 130 interrupted, 143 terminated"""


def conf_dir() -> Path:
    """The configuration folder: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; exits with 0, 1, 2, 130 or 143."""
    with stoppable(
        at_end=signal.SIG_IGN
    ):  # the status is known: what comes while the interpreter ends changes it no more
        try:
            status = run(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:  # asked once more, while the first was answered
            status = INTERRUPTED
        except Terminated:
            status = TERMINATED
    sys.exit(status)


def run(argv: list[str]) -> int:
    """Run one command and return its exit status."""
    if argv and argv[0] in ("-V", "--version"):
        from easiedge import __version__

        print(f"easiedge {__version__}")
        return 0
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE.format(commands="\n".join(f"  {name:11} {what}" for name, what in COMMANDS.items())))
        return 0 if argv else 2
    command, *overrides = argv
    if command not in COMMANDS:
        return refuse(f"unknown command {command!r}: choose one of {', '.join(COMMANDS)} (easiedge --help)")
    if command in PLAIN:
        return _guarded(lambda: _plain(command, overrides))
    return _guarded(lambda: _hydra(command, overrides))


def with_assumed(command: str, overrides: list[str]) -> list[str]:
    """The overrides, after those that the command takes where none of the same group is given."""
    given = {override.partition("=")[0] for override in overrides}
    return [*(a for a in ASSUMED.get(command, ()) if a.partition("=")[0] not in given), *overrides]


def refuse(message: str) -> int:
    """Say in one line what was wrong with the request; exit status 2."""
    return _say(plain(" ".join(message.split())), 2)


def _say(message: str, status: int) -> int:
    """One line on stderr, from one of the processes of a run; returns the exit status."""
    group = sys.modules.get("easiedge.processes")
    place = own_place()
    if group.speaks(status) if group is not None and group.met() else place is None or place.rank == 0:
        print(f"easiedge: {message}", file=sys.stderr, flush=True)
    return status


def _guarded(job: Callable[[], int]) -> int:
    """Turn every way a job can end into an exit status, with one line on stderr and a traceback only for debugging."""
    debug = os.environ.get("EASIEDGE_DEBUG") == "1"
    try:
        with stoppable():  # before anything heavy is imported
            return job()
    except KeyboardInterrupt:
        return _say("interrupted; what was finished is kept", INTERRUPTED)
    except SystemExit as stop:  # Hydra's own --help and the like
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else refuse(str(stop.code))
    except Terminated:
        return _say("terminated; what was finished is kept", TERMINATED)
    except BaseException as error:
        if debug:
            raise
        from easiedge.errors import ProcessError
        from easiedge.refusal import first_line, wrong_request

        if isinstance(error, ProcessError):
            return _lost(str(error))
        if (wrong := wrong_request(error)) is not None:
            return refuse(wrong)
        what = f"{type(error).__name__}: {plain(first_line(error))}"
        return _say(f"broke while running: {what} (EASIEDGE_DEBUG=1 shows where)", 1)


def _lost(message: str) -> int:
    """Another process of the run is gone: what it said is its exit status; `launch`, if it started this one, sees which and why."""
    if launched():
        return LOST
    from easiedge.processes import said

    return said(_say(message, 1))


def _plain(command: str, arguments: list[str]) -> int:
    """Run a command that Hydra does not configure."""
    if command == "report":
        from easiedge.report.page.command import report

        return report(arguments)
    if command == "export":
        from easiedge.export_command import export_command

        return export_command(arguments)
    if command == "predict":
        from easiedge.predict_command import predict_command

        return predict_command(arguments)
    if command == "bench":
        from easiedge.bench_command import bench_command

        return bench_command(arguments)
    from easiedge.report.workspace import make_workspace

    return make_workspace(arguments)


def _hydra(command: str, overrides: list[str]) -> int:
    """Compose the configuration and run the command's job, once or as a sweep."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions come to us, not to Hydra's own reporting
    from easiedge.configuration import check_overrides, processes_asked_for
    from easiedge.resume import resumed_overrides

    folder = conf_dir()
    if not folder.is_dir():
        return refuse(f"the configuration folder {folder} is missing: install easiedge again")
    overrides = with_assumed(command, resumed_overrides(command, overrides))
    cfg = check_overrides(folder, overrides)
    HALT.check()
    place = own_place()
    if cfg is not None and (wanted := processes_asked_for(cfg.trainer, place)) > 1:
        return _in_processes(wanted, command, folder, overrides, cfg, place)
    return _job(command, folder, overrides)


def _in_processes(wanted: int, command: str, folder: Path, overrides: list[str], cfg: Any, place: Place | None) -> int:
    """Start the processes of one run, or, in one of them, join the others and run the job."""
    from easiedge.flags import SWEEPING

    sweep = bool(SWEEPING & {*overrides}) or str(cfg.hydra.mode).endswith("MULTIRUN")
    if command not in SEVERAL or sweep:
        return refuse(
            f"trainer.processes={wanted} is for one easiedge train or easiedge prune without -m: "
            f"leave it out of easiedge {command}{' -m' if command in SEVERAL else ''}"
        )
    if place is None:
        return launch(wanted, [command, *overrides])
    from easiedge.processes import joined

    if launched():
        follow_parent()
    overrides = [*(o for o in overrides if not o.startswith("trainer.processes=")), f"trainer.processes={wanted}"]
    with joined(place, cfg.trainer.timeout), tempfile.TemporaryDirectory(dir=os.environ.get(FOLDER)) as aside:
        if place.rank == 0:
            return _job(command, folder, overrides)
        with silent():
            return _job(command, folder, beside(overrides, aside))


def _job(command: str, folder: Path, overrides: list[str]) -> int:
    """Run the command's job, once or as a sweep."""
    import hydra

    from easiedge.configuration import given_directory
    from easiedge.flags import SHOWING, SWEEPING, parted
    from easiedge.run_lock import locked

    os.environ.setdefault("WANDB_SILENT", "true")
    if command == "compare" and SWEEPING & {*overrides}:
        return refuse("compare runs many already: give lists instead of -m, compare.budgets=[0.3,0.5] for example")
    if command == "compare" and not any(o.startswith("-") for o in overrides):  # flags such as --help are Hydra's
        from easiedge.compare.study import compare

        return compare(folder, overrides)

    failures: list[Exception] = []

    def job(cfg: Any) -> float | tuple[float, ...] | None:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from easiedge.pipeline import JOBS
        from easiedge.report.objectives import objectives_of

        HALT.check()
        try:
            return objectives_of(JOBS[command](cfg), cfg.objectives)  # for a sweeper that searches
        except Exception as error:
            if (
                HydraConfig.get().mode is RunMode.MULTIRUN
            ):  # the launcher may run jobs elsewhere: let it carry the error
                raise
            failures.append(error)
            return None

    job.__module__ = "easiedge"
    given, flags = parted(overrides)
    directory = given_directory(overrides)
    argv, sys.argv = sys.argv, [f"easiedge {command}", *given, *flags]
    try:
        with nullcontext() if directory is None or set(flags) & SHOWING else locked(directory):
            hydra.main(version_base="1.3", config_path=str(folder), config_name="config")(job)()
    finally:
        sys.argv = argv
    if failures:
        raise failures[0]
    return 0
