"""Which settings of a configuration can change what a run finds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

WITHOUT_EFFECT = (
    "logger",
    "checkpoints",
    "fidelity",
    "sensitivity",
    "classifiers",
    "compare",
    "objectives",
    "search.processes",
    "sweep",
    "trainer.progress",
    "trainer.timeout",
    "trainer.processes",
    "data.download",
    "data.stream",
    "hydra",
)
"""Parts that change no figure of a run: other commands' requests, where figures are logged, what is shown."""


@lru_cache(maxsize=1 << 16)
def decides(name: str) -> bool:
    """Whether a dotted name can."""
    return not any(name == part or name.startswith(f"{part}.") for part in WITHOUT_EFFECT)


def deciding(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values by dotted names that can."""
    return {name: value for name, value in values.items() if decides(name)}
