"""Global beside layerwise: pairs of settings that differ in nothing but ``projection.scope``, compared seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from easiedge.report.page.settings import SCOPE, Key, Setting
from easiedge.report.paired import PairedDifference, holm, paired


@dataclass(frozen=True, eq=False)
class ScopePair:
    """One setting under both scopes.

    Attributes:
        difference: of test accuracy, global minus layerwise, over the seeds that both have.
        corrected: p of the paired t-test after Holm's correction over all pairs of the section; None where there is no test.
        wilcoxon: the same of Wilcoxon's test.
    """

    overall: Setting
    layerwise: Setting
    difference: PairedDifference
    corrected: float | None
    wilcoxon: float | None


def scope_pairs(settings: Sequence[Setting]) -> tuple[ScopePair, ...]:
    """Every pair, in the order of the global setting."""
    by_scope: dict[str, dict[Key, Setting]] = {"global": {}, "layerwise": {}}
    for setting in settings:
        if setting.scope in by_scope:
            by_scope[setting.scope][setting.without(SCOPE)] = setting
    both = [(s, by_scope["layerwise"][key]) for key, s in by_scope["global"].items() if key in by_scope["layerwise"]]
    differences = [paired(a.accuracies, b.accuracies) for a, b in both]
    corrected = holm([d.t_p for d in differences])
    ranks = holm([d.wilcoxon_p for d in differences])
    return tuple(ScopePair(*pair, d, t, w) for pair, d, t, w in zip(both, differences, corrected, ranks, strict=True))
