"""What is known of one run, as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easiedge.report.layer_row import LayerRow

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class CurveRow:
    """One epoch of training; None for a figure that was not taken or is not finite.

    Attributes:
        stage: such as ``dense training``, ``fine-tuning``, ``iteration 3/10``.
        epoch: counted in the file's way within the stage.
        val_accuracy: top-1 in [0, 1].
        lr: learning rate.
    """

    stage: str
    epoch: int
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    lr: float | None


@dataclass(frozen=True)
class EngineTime:
    """How long the pruned network takes in an engine.

    Attributes:
        engine: its name.
        precision: ``float32`` or ``int8``.
        batch: images at once.
        threads: of the engine.
        machine: in words.
        ms: median, of one image.
        times_faster: than the dense network in float32 in the same engine, timed in turns.
    """

    engine: str
    precision: str
    batch: int
    threads: int
    machine: str
    ms: float
    times_faster: float


@dataclass(frozen=True, eq=False)
class Run:
    """One run directory.

    Attributes:
        directory: of the run.
        metrics: ``metrics.json``, checked: accuracies are in [0, 1], counts positive and consistent.
        config: ``config.yaml`` by dotted names; a list is the JSON text of it.
        layers: ``layers.csv``; empty where there is none.
        curves: ``curves.csv``; empty where there is none.
        engines: ``bench/bench.json``; empty where there is none.
    """

    directory: Path
    metrics: Mapping[str, Any]
    config: Mapping[str, Setting]
    layers: Sequence[LayerRow]
    curves: Sequence[CurveRow]
    engines: Sequence[EngineTime] = ()

    @property
    def seed(self) -> int:
        """Of everything random in the run."""
        return int(self.metrics["seed"])

    @property
    def data(self) -> str:
        """Name of the data."""
        return str(self.metrics["data"])

    @property
    def contents(self) -> Mapping[str, Any]:
        """``classes``, ``images`` and ``digest`` of the data; empty where the run does not say."""
        found: Mapping[str, Any] = self.metrics.get("contents", {})
        return found

    @property
    def model(self) -> str:
        """Name of the network."""
        return str(self.metrics["model"])

    @property
    def method(self) -> str:
        """Name of the preset."""
        return str(self.metrics["method"])

    @property
    def scope(self) -> str | None:
        """``global`` or ``layerwise``; None for a run that prunes nothing, or searches."""
        scope = None if "search" in self.metrics else self.config.get("projection.scope")
        return str(scope) if self.removed("filters") and scope is not None else None

    @property
    def dense(self) -> Mapping[str, Any]:
        """``accuracy``, ``params``, ``macs``, ``filters`` of the dense network."""
        found: Mapping[str, Any] = self.metrics["dense"]
        return found

    @property
    def pruned(self) -> Mapping[str, Any] | None:
        """The same of the smaller network, with ``accuracy_before_finetune``; None for a run of ``easiedge train``."""
        return self.metrics.get("pruned")

    @property
    def accuracy(self) -> float:
        """Test accuracy of the network that the run ends with, in [0, 1]."""
        return float((self.pruned or self.dense)["accuracy"])

    @property
    def iterations(self) -> Sequence[Mapping[str, float | None]]:
        """ADMM's iterations; empty where there were none."""
        found: Sequence[Mapping[str, float | None]] = self.metrics.get("admm", {}).get("iterations", ())
        return found

    def removed(self, quantity: str) -> float | None:
        """Share of ``filters``, ``params`` or ``macs`` that is gone; None for a dense run."""
        return None if self.pruned is None else 1.0 - self.pruned[quantity] / self.dense[quantity]
