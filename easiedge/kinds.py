"""What kind of value stands where in the configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from easiedge.plain_values import is_number, is_whole

SECTIONS = (
    "budget", "checkpoints", "groups", "folds", "calibration", "fidelity", "sensitivity", "classifiers", "sparsity", "sparsity.options", "compare", "data", "model",
    "recipe", "recipe.train", "recipe.admm",
    "recipe.finetune", "schedule", "scoring", "scoring.options", "projection", "compensation", "device", "trainer", "trainer.options", "logger",
    "search", "search.tq",
)  # fmt: skip
LARGEST = 2**31 - 1  # of a whole number; sizes and counts beyond it are slips of the finger


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        holds: whether a value is of it.
        words: for people.
    """

    holds: Callable[[Any], bool]
    words: str

    def __or__(self, other: Kind) -> Kind:
        """Either."""
        return Kind(lambda v: self.holds(v) or other.holds(v), f"{self.words}, or {other.words}")


def whole(low: int, high: int = LARGEST) -> Kind:
    """A whole number between two, which are included."""
    return Kind(lambda v: is_whole(v) and low <= v <= high, f"a whole number from {low} to {high}")


def _number(low: float = -math.inf) -> Kind:
    words = "a finite number" if low == -math.inf else f"a finite number from {low:g}"
    return Kind(lambda v: is_number(v) and low <= v < math.inf, words)


def _list_of(each: Kind, words: str) -> Kind:
    return Kind(lambda v: isinstance(v, list) and all(map(each.holds, v)), words)


_TEXT = Kind(lambda v: isinstance(v, str) and bool(v.strip()) and v.isprintable() and _whole_text(v), "a text")
TRUTH = Kind(lambda v: isinstance(v, bool), "true or false")
NULL = Kind(lambda v: v is None, "null")
_TEXTS = _list_of(_TEXT, "a list of texts, such as [a,b]")
_NUMBERS = _list_of(_number(), "a list of finite numbers, such as [0.5,0.5,0.5]")
_POSITIVE = _list_of(
    Kind(lambda v: is_number(v) and 0 < v < math.inf, ""), "a list of finite numbers above 0, such as [0.2,0.2,0.2]"
)
_SEED = whole(0, 2**32 - 1)

KINDS: dict[str, Kind] = {
    "seed": _SEED,
    "weights": _TEXT | NULL,
    "transfer": _TEXT | NULL,
    "masked_test": TRUTH,
    "checkpoints.share": _number(),
    "checkpoints.least_seconds": _number(),
    "groups.include": _TEXTS,
    "groups.exclude": _TEXTS,
    "folds.count": whole(2) | NULL,
    "folds.fold": whole(0) | NULL,
    "folds.val_share": _number(),
    "folds.seed": _SEED,
    "calibration.images": whole(1) | NULL,
    "calibration.batch_size": whole(1),
    "data.root": _TEXT | NULL,
    "data.batch_size": whole(1),
    "data.shift": whole(0, 4096),
    "data.flip": TRUTH,
    "data.mean": _NUMBERS | NULL,
    "data.std": _POSITIVE | NULL,
    "data.split_seed": _SEED,
    "data.download": TRUTH,
    "data.seed": _SEED,
    "data.image_size": whole(1, 1 << 15),
    "data.grey": TRUTH,
    "data.fit": _TEXT,
    "data.unreadable": _TEXT,
    "data.stream": TRUTH | Kind(lambda v: v == "auto", "auto"),
    "data.val_share": _number(),
    "data.test_share": _number(),
    "data.classes": _list_of(whole(0), "a list of whole numbers, such as [3,8]") | NULL,
    "data.neurons": whole(1, 1 << 16),
    "data.length": whole(10, 1 << 24),
    "data.stay": _number(1),
    "data.active": _number(0),
    "data.tuning": _number(0),
    "data.decay": _number(0),
    "data.noise": _number(0),
    "data.frames": TRUTH,
    "model.name": _TEXT,
    "model.pretrained": TRUTH,
    "model.widths": _list_of(whole(1, 1 << 16), "a list of whole numbers from 1, such as [32,16]"),
    "scoring.criterion": _TEXT,
    "scoring.chunk": _number(),
    "scoring.first_order": TRUTH,
    "schedule.test_levels": TRUTH,
    "projection.scope": _TEXT,
    "projection.max_ratio": _number(),
    "projection.round_to": whole(1),
    "projection.collapse": _TEXT,
    "projection.collapse_share": _number(),
    "compensation.name": _TEXT,
    "compensation.ridge": _number(),
    "compensation.positions": whole(0),
    "compensation.readjust": _number(0),
    "sparsity.criterion": _TEXT,
    "sparsity.level": _TEXT,
    "sparsity.scope": _TEXT,
    "sparsity.schedule": _TEXT,
    "sparsity.options.block": whole(2) | NULL,
    "sparsity.options.damping": _number() | NULL,
    "sparsity.options.probe": _TEXT | NULL,
    "sparsity.options.passes": whole(1) | NULL,
    "sparsity.options.per_source": TRUTH | NULL,
    "sparsity.include": _TEXTS,
    "sparsity.exclude": _TEXTS,
    "device.kind": _TEXT,
    "device.table": _TEXT | NULL,
    "device.threads": whole(1, 4096) | NULL,
    "device.networks": whole(1, 100_000),
    "device.repetitions": whole(1, 1_000_000),
    "device.warm_up": whole(0, 1_000_000),
    "search.strategy": _TEXT,
    "search.T": _number(),
    "search.original": _number() | NULL,
    "search.rate": _number(),
    "search.jumps": _NUMBERS,
    "search.attempts": whole(1, 100),
    "search.start": _TEXT,
    "search.epochs": whole(1) | NULL,
    "search.images": whole(1) | NULL,
    "search.families": _TEXTS,
    "search.choose": _TEXT,
    "search.processes": whole(1, 4096),
    "search.tq.enabled": TRUTH,
    "search.tq.T_weights": _number(),
    "search.tq.T_digits": _number(),
    "search.tq.threshold": _number(),
    "search.tq.step": _number(),
    "search.tq.epochs": whole(0),
    "trainer.precision": _TEXT,
    "trainer.progress": TRUTH,
    "logger.kind": _TEXT,
    "logger.online": TRUTH,
    "logger.project": _TEXT,
    "logger.group": _TEXT | NULL,
    "logger.tags": _TEXTS,
}
"""By dotted name; those that are not there are checked where they are used."""


def _whole_text(text: str) -> bool:
    """Whether a file can hold it: no halves of characters."""
    return text.isascii() or text == text.encode("utf-8", "replace").decode()
