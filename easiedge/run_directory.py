"""A run directory as others use it: its networks, what is known of them, and its data.

The data are made again from ``config.yaml`` by easiedge's own classes; nothing that the file names is imported or called.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import fx

from easiedge.deploy.artifact import ARCHITECTURE, load
from easiedge.deploy.provenance import read_provenance
from easiedge.errors import DataError, RunError
from easiedge.kinds import KINDS
from easiedge.report.runs.config_file import read_config

_DATA = {
    f"easiedge.data.{module}.{name}": (f"easiedge.data.{module}", name)
    for module, name in (
        ("digits", "Digits"),
        ("mnist", "MNIST"),
        ("cifar10", "CIFAR10"),
        ("cifar100", "CIFAR100"),
        ("image_folder", "ImageFolder"),
        ("breast_cancer", "BreastCancer"),
        ("calcium", "Calcium"),
        ("imagenet", "ImageNet"),
    )
}  # what data._target_ may be
NETWORKS = ("pruned", "dense")


@dataclass(frozen=True, eq=False)
class RunNetwork:
    """A network of a run.

    Attributes:
        name: ``pruned`` or ``dense``.
        directory: of the artifact.
        network: in eval mode, float32, on the CPU.
        provenance: what travels with it; empty for old artifacts.
    """

    name: str
    directory: Path
    network: fx.GraphModule
    provenance: Mapping[str, Any]


def run_network(run: Path, name: str = "pruned") -> RunNetwork:
    """Load a network of a run.

    Raises:
        RunError: there is no such run or network.
        ModelError: the artifact was changed or is malformed.
    """
    where = artifact_of(run, name)
    return RunNetwork(name, where, load(where).float(), read_provenance(where))


def artifact_of(run: Path, name: str = "pruned") -> Path:
    """The folder of a run's network.

    Raises:
        RunError: there is no such run or network.
    """
    if not run.is_dir():
        what = "is a file" if run.exists() else "does not exist"
        raise RunError(f"{run} {what}: give a run directory, such as runs/DATE/TIME that easiedge prune wrote")
    if name == "pruned" and (run / ARCHITECTURE).is_file():
        return run  # the artifact itself
    if (run / name).is_dir():
        return run / name
    others = [each for each in NETWORKS if (run / each).is_dir()]
    if others:
        raise RunError(
            f"{run} has no {name}/: it may not have finished; --network {others[0]} takes the network in {others[0]}/"
        )
    if (run / "config.yaml").is_file():
        raise RunError(
            f"{run} holds no network: the run is still going, was interrupted, or failed; run it again to its end"
        )
    raise RunError(
        f"{run} is no run directory (no pruned/ in it): give the one that easiedge prune named in its last line"
    )


def run_data(run: Path, overrides: Sequence[str] = (), needed_for: str = "") -> Any:
    """The data of a run (`easiedge.data.image_data.ImageData`), loaded; nothing is downloaded unless an override says so.

    Args:
        run: the run directory.
        overrides: ``data.KEY=VALUE``, as for the run itself.
        needed_for: what the images are needed for, which a message about missing ones ends with.

    Raises:
        RunError: no configuration, or one that names other classes than easiedge's.
        DataError: an override that the data do not have, or data that are not there; says which override gives them.
    """
    path = run / "config.yaml"
    if not path.is_file():
        raise RunError(f"{run} has no config.yaml, which says what data the run had: give the run directory itself")
    known_settings = read_config(path)
    settings = {name.removeprefix("data."): v for name, v in known_settings.items() if name.startswith("data.")}
    target = settings.pop("_target_", None)
    if target not in _DATA:
        raise RunError(
            f"{path} has data._target_={str(target)[:80]}, which is not one of easiedge's own data ({', '.join(n for _, n in _DATA.values())}): "
            "nothing else is called for a file"
        )
    module, name = _DATA[str(target)]
    cls = getattr(importlib.import_module(module), name)
    known = set(inspect.signature(cls.__init__).parameters) - {"self"}
    arguments = {key: _value(value) for key, value in settings.items() if key in known}
    for key, value in arguments.items():
        kind = KINDS.get(f"data.{key}")
        if kind is not None and not kind.holds(value):
            raise DataError(
                f"{path} has data.{key}={str(value)[:80]!r}, which must be {kind.words}: give it as data.{key}=VALUE"
            )
    if "download" in known:
        arguments["download"] = False
    arguments |= _given(overrides, known)
    try:
        data = cls(**arguments)
        data.setup()
        from easiedge.data.folds import deal  # Lightning takes seconds to import, and predicting needs no images

        deal(data, _folds(known_settings), int(known_settings.get("seed") or 0))
    except DataError as error:
        raise DataError(
            f"the run's images are needed and are not there: {error} (data.root=DIR after the run directory)"
            + (f"; {needed_for}" if needed_for else "")
        ) from error
    except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as error:
        raise DataError(f"the data of {path} cannot be made ({error}): give what is wrong as data.KEY=VALUE") from error
    return data


def _folds(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``folds``; runs of before it have none."""
    given = {name.removeprefix("folds."): v for name, v in settings.items() if name.startswith("folds.")}
    return {"count": None, "fold": None, "val_share": 0.15, "seed": 0} | given


def _value(setting: Any) -> Any:
    """A setting as it was: lists are JSON texts in flattened configurations."""
    if isinstance(setting, str) and setting.startswith("["):
        try:
            return json.loads(setting)
        except ValueError:
            return setting
    return setting


def _given(overrides: Sequence[str], known: set[str]) -> dict[str, Any]:
    found = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        name = key.removeprefix("data.")
        if not equals or name == key or name not in known:
            raise DataError(
                f"{override!r} is no override of the run's data: choose among {', '.join(f'data.{k}=' for k in sorted(known))}"
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DataError(f"{override!r} cannot be read: put quotes around the value") from error
        found[name] = text if name == "root" else value
    return found
