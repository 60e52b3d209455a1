"""The picture of a search: mean validation accuracy of all candidates at each step, far and near phases apart, and the units that are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from easiedge.report.pictures import MUTED
from easiedge.search.greedy import Step
from easiedge.search.proposal import SETTLING

PICTURE = "search.png"
PHASES = ("#c2702b", "#8a5fb0", "#1f5fa8")  # far sub-phases, then near
SETTLING_COLOUR = "#3f8f6b"
BANDS = 0.08  # opacity


def draw_search(steps: Mapping[str, Sequence[Step]], floors: Mapping[str, float], path: Path, title: str = "") -> None:
    """Draw `search_figure` into ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    search_figure(steps, floors, title).savefig(path, dpi=140)


def search_figure(steps: Mapping[str, Sequence[Step]], floors: Mapping[str, float], title: str = "") -> Figure:
    """One column for each family.

    Args:
        steps: of each family.
        floors: least validation accuracy that was accepted.
        title: of the picture.
    """
    columns = max(1, len(steps))
    figure = Figure(figsize=(5.2 * columns + 1.0, 4.4), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False, sharex="col", height_ratios=(3, 2))
    for column, (name, of_family) in enumerate(steps.items()):
        _accuracies(axes[0][column], of_family, floors[name])
        _units(axes[1][column], of_family)
        axes[0][column].set_title(name, fontsize=10)
        axes[1][column].set_xlabel("step")
    axes[0][0].set_ylabel("validation accuracy [%]\nmean of all candidates")
    axes[1][0].set_ylabel("units left")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _accuracies(axes: Axes, steps: Sequence[Step], floor: float) -> None:
    names = list(dict.fromkeys(step.phase for step in steps))
    for name, spell in groupby(steps, key=lambda step: step.phase):  # a search may go far, near, and far again
        during = list(spell)
        x = [step.step for step in during]
        colour = _colour(name, names)
        axes.plot(x, [100 * step.mean_accuracy for step in during], color=colour, linewidth=1.0, alpha=0.6)
        axes.axvspan(min(x) - 0.5, max(x) + 0.5, color=colour, alpha=BANDS, linewidth=0)
    for name in names:
        chosen, colour = [step for step in steps if step.phase == name], _colour(name, names)
        for accepted, marker in ((True, "o"), (False, "x")):
            shown = [step for step in chosen if step.accepted == accepted]
            label = f"{name}, {'accepted' if accepted else 'all failed'}" if shown else None
            axes.plot(
                [step.step for step in shown],
                [100 * step.mean_accuracy for step in shown],
                marker,
                color=colour,
                markersize=4,
                label=label,
            )
    axes.axhline(100 * floor, color=MUTED, linestyle="--", linewidth=1)
    axes.annotate(
        "threshold", (1.0, 100 * floor), xycoords=("axes fraction", "data"), xytext=(-2, -3), textcoords="offset points", ha="right",
        va="top", fontsize=8, color=MUTED,
    )  # fmt: skip
    if names:
        axes.legend(fontsize=8, frameon=False, loc="best")
    _plain(axes)


def _units(axes: Axes, steps: Sequence[Step]) -> None:
    axes.step([step.step for step in steps], [step.units for step in steps], where="post", color=MUTED)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes)


def _colour(name: str, names: Sequence[str]) -> str:
    if not name.startswith("far"):
        return SETTLING_COLOUR if name == SETTLING else PHASES[-1]
    return PHASES[[n for n in names if n.startswith("far")].index(name) % (len(PHASES) - 1)]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
