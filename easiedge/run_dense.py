"""The dense network of a run: its artifact where the run kept one, else made again from ``config.yaml``.

Nothing that the file names is imported or called but easiedge's own networks.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from easiedge.deploy.artifact import save
from easiedge.deploy.image_input import image_input
from easiedge.errors import EasiEdgeError, RunError
from easiedge.model.weights import load_weights
from easiedge.plain_values import is_whole
from easiedge.report.runs.config_file import read_config
from easiedge.run_directory import artifact_of

_NETWORKS = {
    "easiedge.model.lenet.lenet",
    "easiedge.model.resnet.resnet20",
    "easiedge.model.resnet.resnet56",
    "easiedge.model.vgg.vgg16",
    "easiedge.model.torchvision_classifier.torchvision_classifier",
    "easiedge.model.tiny.nn1",
    "easiedge.model.tiny.nn2",
    "easiedge.model.tiny.cnn1",
    "easiedge.model.tiny.cnn2",
}  # what model._target_ may be


@dataclass(frozen=True)
class DenseNetwork:
    """A dense network on disk.

    Attributes:
        artifact: its folder.
        source: where it comes from, in words.
    """

    artifact: Path
    source: str


def dense_of(run: Path, provenance: Mapping[str, Any], folder: Path, given: Path | None = None) -> DenseNetwork:
    """Find or make the dense network that ``run`` pruned.

    Args:
        run: the run directory.
        provenance: of its pruned network, for the images and classes.
        folder: empty; a network that is made again is saved there.
        given: the folder of an artifact that is it instead.

    Raises:
        RunError: the run does not say what its dense network was; says how to give it.
        ModelError: the network cannot be made.
    """
    if given is not None:
        where = artifact_of(given) if given.is_dir() and not (given / "dense").is_dir() else artifact_of(given, "dense")
        return DenseNetwork(where, f"the network in {where}")
    if (run / "dense").is_dir():
        return DenseNetwork(run / "dense", "the run's dense network")
    path = run / "config.yaml"
    if not path.is_file():
        raise RunError(f"{run} has neither dense/ nor config.yaml: give the dense network with --dense DIR")
    settings = read_config(path)
    network = _made(settings, provenance, run)
    weights = settings.get("weights")
    source = "made again from config.yaml with random weights, which take as long as trained ones"
    if isinstance(weights, str) and Path(weights).expanduser().is_file():
        try:
            load_weights(network, weights)
        except EasiEdgeError as error:
            raise RunError(f"the run's {error}: give the dense network with --dense DIR") from error
        source = f"made again from config.yaml with {Path(weights).name}"
    save(network.eval(), folder)
    return DenseNetwork(folder, source)


def _made(settings: Mapping[str, Any], provenance: Mapping[str, Any], run: Path) -> nn.Module:
    target = settings.get("model._target_")
    if target not in _NETWORKS:
        raise RunError(
            f"{run} pruned {str(target)[:80]}, which is not one of easiedge's own networks and is not called for a file: save the dense network "
            "with easiedge.save(network, DIR) and give --dense DIR"
        )
    module, _, name = str(target).rpartition(".")
    builder = getattr(importlib.import_module(module), name)
    known = inspect.signature(builder).parameters
    form = image_input(provenance, run)
    options = {key.removeprefix("model."): v for key, v in settings.items() if key.startswith("model.")}
    if isinstance(widths := options.get("widths"), str):
        options["widths"] = _widths(widths, run)
    options |= {
        "num_classes": len(form.classes),
        "in_channels": form.shape[0],
        "image_size": form.shape[1],
        "input_shape": form.shape,
        "pretrained": False,
    }
    try:
        made: nn.Module = builder(**{key: v for key, v in options.items() if key in known})
    except (TypeError, ValueError, RuntimeError, EasiEdgeError) as error:
        raise RunError(
            f"the network of {run / 'config.yaml'} cannot be made ({str(error)[:120]}): give the dense one with --dense DIR"
        ) from error
    return made


def _widths(text: str, run: Path) -> list[int]:
    """A list of whole numbers, which configurations hold as JSON.

    Raises:
        RunError: it is none.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(map(is_whole, found)):
        raise RunError(
            f"{run / 'config.yaml'} has model.widths={text[:80]}, which is no list of whole numbers: give --dense DIR"
        )
    return found
