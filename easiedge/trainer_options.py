"""Which arguments of Lightning's Trainer ``trainer.options`` takes, and where what the others would set is given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sized
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from easiedge.errors import EasiEdgeError
from easiedge.kinds import NULL, TRUTH, Kind, whole
from easiedge.plain_values import is_number
from easiedge.processes import world_size


def _one_of(*names: str) -> Kind:
    return Kind(lambda v: v in names and isinstance(v, str), f"one of {', '.join(names)}")


_SHARE = Kind(lambda v: isinstance(v, float) and is_number(v) and 0.0 < v <= 1.0, "a share above 0 and up to 1.0")
_TIME = Kind(
    lambda v: isinstance(v, str) and bool(re.fullmatch(r"\d{1,6}(:\d\d){3}", v)),
    "days:hours:minutes:seconds, such as '00:12:00:00'",
)

OPTIONS: dict[str, Kind] = {
    "accelerator": _one_of("auto", "cpu", "gpu", "cuda", "mps"),
    "accumulate_grad_batches": whole(1),
    "benchmark": TRUTH | NULL,
    "detect_anomaly": TRUTH,
    "deterministic": TRUTH | _one_of("warn") | NULL,
    "gradient_clip_algorithm": _one_of("norm", "value") | NULL,
    "inference_mode": TRUTH,
    "limit_train_batches": whole(1) | _SHARE | NULL,
    "limit_val_batches": whole(1) | _SHARE | NULL,
    "max_time": _TIME | NULL,
    "num_sanity_val_steps": whole(0) | NULL,
}
"""Those that change how a run is trained and leave it a whole run."""

_EPOCHS = "the length of training is recipe.train.epochs=, recipe.admm.epochs= and recipe.finetune.epochs="
_SHORT = f"a trial is +trainer.options.limit_train_batches= with few epochs, and {_EPOCHS}"
_KEPT = "where a run is kept is hydra.run.dir=, how often its state is saved checkpoints.share="
_OUTPUT = "progress on the terminal is trainer.progress="
_PROCESSES = (
    "it would make Lightning start processes that know nothing of one another: "
    "give trainer.processes=N, or start easiedge by torchrun"
)
ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(("max_epochs", "min_epochs", "max_steps", "min_steps"), _EPOCHS),
    **dict.fromkeys(("fast_dev_run", "overfit_batches", "barebones"), _SHORT),
    **dict.fromkeys(("devices", "num_nodes", "strategy"), _PROCESSES),
    **dict.fromkeys(("enable_checkpointing", "default_root_dir"), _KEPT),
    **dict.fromkeys(("enable_progress_bar", "enable_model_summary"), _OUTPUT),
    "gradient_clip_val": "the bound is recipe.train.gradient_clip=, and so in recipe.admm and recipe.finetune",
    "precision": "it is given as trainer.precision=",
    "logger": "it is chosen by logger=wandb, csv or none",
    "log_every_n_steps": "figures are those of epochs; where they go is logger=",
    "profiler": "Lightning's reports are silenced",
    "callbacks": "easiedge's own are there already, and callbacks of yours go into easiedge.training.fit in Python",
}
"""By name: where it is given instead."""
DEFAULTS: dict[str, Any] = {
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
}  # may be written down, and are what happens


def check_trainer(options: DictConfig) -> None:
    """Refuse what would break training, or end it early and leave a directory that looks like a whole run's.

    Raises:
        EasiEdgeError: names the option, and what to give instead.
    """
    given: Any = OmegaConf.to_container(options, resolve=True)
    for name, value in given.items():
        if name in DEFAULTS and (value == DEFAULTS[name] or (name == "devices" and _one_device(value))):
            continue
        if name not in OPTIONS:
            instead = f" ({ELSEWHERE[name]})" if name in ELSEWHERE else ""
            raise EasiEdgeError(
                f"trainer.options.{str(name)[:80]} is not taken{instead}: "
                f"of Lightning's arguments these are, {', '.join(OPTIONS)}"
            )
        if not OPTIONS[name].holds(value):
            raise EasiEdgeError(f"trainer.options.{name}={str(value)[:80]} must be {OPTIONS[name].words}")
    if world_size() > 1 and given.get("max_time") is not None:
        raise EasiEdgeError("trainer.options.max_time stops each process by its own clock: leave it out with several")


def check_trainer_here(options: Mapping[str, Any], train: Iterable[Any], val: Iterable[Any]) -> None:
    """Refuse a kind of device that this machine has not, and shares of the batches that are less than one.

    Raises:
        EasiEdgeError: names the option, and the least share.
    """
    wanted = options.get("accelerator", "auto")
    there = {"gpu": torch.cuda.is_available() or torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if not there.get(wanted, wanted != "mps" or torch.backends.mps.is_available()):
        raise EasiEdgeError(f"trainer.options.accelerator={wanted} is not on this machine: give trainer=auto or cpu")
    for name, batches in (("limit_train_batches", train), ("limit_val_batches", val)):
        share, count = options.get(name), len(batches) if isinstance(batches, Sized) else None
        if isinstance(share, float) and count and share * count < 1:
            raise EasiEdgeError(
                f"trainer.options.{name}={share} of {count} batches is less than one: "
                f"give {math.ceil(1e4 / count) / 1e4:g} or more, "
                "or a whole number of batches"
            )


def _one_device(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 1 and whole(0, 4096).holds(value[0])
