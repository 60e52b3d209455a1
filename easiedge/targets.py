"""What ``_target_`` in a configuration may name, since making it means calling it.

Where the configuration came from decides: easiedge's own classes are made for anyone; a class or function of the user's
own only where he typed its name on the command line of this very command.  Nothing is made because a file names it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from easiedge.errors import EasiEdgeError
from easiedge.flat import plain_values_of

_RECIPE = ("easiedge.training.recipe.Recipe",)
OWN: dict[str, tuple[str, ...]] = {
    "data": (
        "easiedge.data.digits.Digits",
        "easiedge.data.mnist.MNIST",
        "easiedge.data.cifar10.CIFAR10",
        "easiedge.data.cifar100.CIFAR100",
        "easiedge.data.image_folder.ImageFolder",
        "easiedge.data.breast_cancer.BreastCancer",
        "easiedge.data.calcium.Calcium",
        "easiedge.data.imagenet.ImageNet",
    ),
    "model": (
        "easiedge.model.lenet.lenet",
        "easiedge.model.resnet.resnet20",
        "easiedge.model.resnet.resnet56",
        "easiedge.model.vgg.vgg16",
        "easiedge.model.torchvision_classifier.torchvision_classifier",
        "easiedge.model.tiny.nn1",
        "easiedge.model.tiny.nn2",
        "easiedge.model.tiny.cnn1",
        "easiedge.model.tiny.cnn2",
    ),
    "schedule": (
        "easiedge.schedule.admm.Admm",
        "easiedge.schedule.one_shot.OneShot",
        "easiedge.schedule.iterative.Iterative",
        "easiedge.schedule.reduce_and_reuse.ReduceAndReuse",
        "easiedge.schedule.unpruned.Unpruned",
    ),
    "schedule.policy": (
        "easiedge.admm.ConstantRho",
        "easiedge.admm.IncreasingRho",
        "easiedge.admm.ResidualBalancing",
    ),
    "schedule.stopping": ("easiedge.admm.Stopping",),
    "recipe.train": _RECIPE,
    "recipe.admm": _RECIPE,
    "recipe.finetune": _RECIPE,
}
"""Easiedge's own, by the place in the configuration."""

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_HYDRA = ("hydra", "hydra_plugins", "easiedge", "logging")  # whose parts hydra.* may name
_NO_MAKERS = frozenset(
    {*sys.stdlib_module_names, *sys.builtin_module_names, "easiedge", "hydra", "hydra_plugins", "omegaconf", "torch",
     "numpy", "joblib", "dill", "cloudpickle", "pandas", "yaml"}
)  # fmt: skip  # packages that make neither networks nor data of one's own, and can do much else


def check_targets(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise unless every ``_target_`` of ``cfg`` may be made.

    Of those that the user typed, the module is imported and nothing is called.

    Args:
        cfg: a composed configuration; its part ``hydra`` is Hydra's, see `check_hydra_targets`.
        overrides: that the user typed.

    Raises:
        EasiEdgeError: names the place, and what may stand there.
    """
    plain = plain_values_of(cfg)
    typed = typed_targets(overrides)
    for place, target in _named(plain, ""):
        if place not in OWN:
            raise EasiEdgeError(
                f"{place}._target_ names something to be called, which only {', '.join(OWN)} may: "
                f"leave it out or give a plain value"
            )
        if target in OWN[place]:
            continue
        if str(target) not in typed:
            raise EasiEdgeError(
                f"{place}._target_={str(target)[:80]!r} is not easiedge's own ({_names(place)}) and was not typed "
                "on this command line, and nothing is called because a file names it: "
                f"add {place}._target_={str(target)[:80]} to the command if it is yours"
            )
        if not isinstance(target, str) or not _DOTTED.fullmatch(target):
            raise EasiEdgeError(
                f"{place}._target_={str(target)[:80]!r} is no name: choose {_names(place)}, "
                "or a class or function of your own as my_package.my_name"
            )
        if target.partition(".")[0] in _NO_MAKERS - {"torch"} or not _makes(place, get_object(target)):
            raise _refused(place, target)
    for place in ("data", "model", "schedule"):
        if OmegaConf.select(cfg, f"{place}._target_") is None:
            raise EasiEdgeError(
                f"{place}._target_ is missing: choose {_names(place)}, or one of your own as my_package.my_name"
            )


def _makes(place: str, found: Any) -> bool:
    """Whether what a name led to can make what belongs at ``place``.

    It goes by where that really is from, and not by the name it was reached by.

    Data are a class derived from `ImageData`, networks an `nn.Module` class or a function.
    """
    from torch import nn

    from easiedge.data.image_data import ImageData

    is_class = inspect.isclass(found)
    foreign = str(getattr(found, "__module__", None) or "builtins").partition(".")[0] not in _NO_MAKERS
    if place == "data":
        return is_class and issubclass(found, ImageData)
    if place == "model":
        return (is_class and issubclass(found, nn.Module)) or (inspect.isfunction(found) and foreign)
    return is_class and foreign


def check_hydra_targets(overrides: Iterable[str]) -> None:
    """Raise where an override of Hydra's own configuration names what is neither Hydra's nor easiedge's to be called.

    Raises:
        EasiEdgeError: names it; or the override adds folders of configuration files.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = str(override.key_or_group)
        if not key.startswith("hydra"):
            continue
        if key == "hydra.searchpath":
            raise EasiEdgeError(
                "hydra.searchpath is not taken, since a configuration file can name anything to be called: "
                "give the values as overrides"
            )
        for target in _targets(override, ("_target_", "class")):  # the second in logging's configuration
            if target.partition(".")[0] not in _HYDRA:
                raise EasiEdgeError(
                    f"{key} names {target[:80]!r} to be called, which is neither Hydra's nor easiedge's: leave it out"
                )


def typed_targets(overrides: Iterable[str]) -> set[str]:
    """What overrides name as ``_target_``, in whatever way."""
    return {t for o in OverridesParser.create().parse_overrides(list(overrides)) for t in _targets(o)}


def _targets(override: Any, keys: tuple[str, ...] = ("_target_",)) -> Iterator[str]:
    """Of one override: its value where its key ends in one of ``keys``, and what mappings in it hold under them."""
    key = str(override.key_or_group).rpartition(".")[2]
    values = [override.value()] if not override.is_sweep_override() else list(_choices(override))
    for value in values:
        if key in keys:
            yield str(value)
        yield from (str(target) for _, target in _named(_plain(value), "", keys))


def _choices(override: Any) -> Iterator[Any]:
    sweep = override.value()
    for value in getattr(sweep, "list", None) or ():
        yield value.text if hasattr(value, "text") else value


def _plain(value: Any) -> Any:
    """Keys and values of an override as texts and containers of them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _named(value: Any, place: str, keys: tuple[str, ...] = ("_target_",)) -> Iterator[tuple[str, Any]]:
    """Place and value of every one of ``keys`` within."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key in keys:
                yield place, part
            yield from _named(part, f"{place}.{key}" if place else str(key), keys)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _named(part, f"{place}[]", keys)


def _names(place: str) -> str:
    return ", ".join(OWN[place])


def _refused(place: str, target: str) -> EasiEdgeError:
    own = {
        "data": "a class of your own derived from easiedge.data.image_data.ImageData",
        "model": "an nn.Module or a function of your own that returns one",
    }.get(place, "a class of your own")
    return EasiEdgeError(
        f"{place}._target_={target[:80]} is not called, since it makes no {place}: choose {_names(place)}, or {own}"
    )
