"""What a comparison is made of: results of cells, rows over seeds, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from easiedge.report.paired import PairedDifference, Spread


@dataclass(frozen=True)
class Result:
    """What one finished cell gives.

    Attributes:
        method: as it was asked for; empty for the control, the dense network trained on.
        scope: ``global`` or ``layerwise``; empty for the control.
        budget: value of the matched budget; None for the control.
        seed: of the run.
        metrics: its ``metrics.json``.
        epochs: that it trained after the dense network; None where that is not known.
    """

    method: str
    scope: str
    budget: float | None
    seed: int
    metrics: Mapping[str, Any]
    epochs: int | None = None


@dataclass(frozen=True)
class Row:
    """One method, scope and budget over its seeds.

    Attributes:
        method: empty for the control.
        scope: empty for the control.
        budget: None for the control.
        accuracy: test accuracy after fine-tuning, in [0, 1].
        before: test accuracy before fine-tuning.
        minus_control: paired difference from the dense network trained on; None without a control.
        achieved: means of what was removed, counted on the networks.
        reached: in how many runs the budget was met.
        seconds: mean of the whole run.
    """

    method: str
    scope: str
    budget: float | None
    accuracy: Spread
    before: Spread
    minus_control: PairedDifference | None
    achieved: Mapping[str, float]
    reached: int
    seconds: float


@dataclass(frozen=True)
class Difference:
    """One paired comparison at one budget.

    Attributes:
        kind: ``"scope"`` (one method, global minus layerwise), ``"method"`` (one scope, a method minus the first) or ``"control"``
            (a row minus the dense network trained on).
        budget: value of the matched budget.
        left: what the difference is taken of.
        right: what is taken away.
        found: the difference of test accuracies and its tests.
        t_holm: p of the t-test after Holm's correction over all comparisons of this kind.
        wilcoxon_holm: that of Wilcoxon's test.
    """

    kind: str
    budget: float
    left: str
    right: str
    found: PairedDifference
    t_holm: float | None = None
    wilcoxon_holm: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A study.

    Attributes:
        about: model, data, the matched budget, epochs after the dense network, confidence.
        dense: test accuracy of the dense networks, one for each seed.
        rows: control first, then in the order asked for.
        differences: global against layerwise first.
        notes: what a reader has to know: failed cells, budgets not met, seeds that are not paired.
    """

    about: Mapping[str, Any]
    dense: Spread
    rows: Sequence[Row]
    differences: Sequence[Difference]
    notes: Sequence[str]
