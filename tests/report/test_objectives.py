"""Figures that a searching sweeper gets, by name."""

import pytest

from easiedge.errors import EasiEdgeError
from easiedge.report.objectives import NAMES, check_objectives, objectives_of

METRICS = {
    "pruned": {"val_accuracy": 0.9, "macs": 100, "accuracy": None},
    "budget": {"achieved": {"macs_removed": 0.5}},
}


def test_one_several_or_no_figures():
    assert objectives_of(METRICS, []) is None
    assert objectives_of(METRICS, ["pruned.macs"]) == 100.0
    assert objectives_of(METRICS, ["pruned.val_accuracy", "budget.achieved.macs_removed"]) == (0.9, 0.5)


@pytest.mark.parametrize("name", ["pruned.accuracy", "masked.accuracy", "dense.macs"])
def test_a_figure_that_a_run_lacks_is_named(name):
    with pytest.raises(EasiEdgeError, match=f"objective {name} is None"):
        objectives_of(METRICS, [name])
    with pytest.raises(EasiEdgeError, match="nan"):
        objectives_of({"pruned": {"macs": float("nan")}}, ["pruned.macs"])
    with pytest.raises(EasiEdgeError):
        objectives_of(object(), [name])  # a command that has no metrics


@pytest.mark.parametrize(
    ("names", "directions", "message"),
    [
        (["pruned.speed"], None, "choose among"),
        ("pruned.macs", None, "must be a list"),
        (None, None, "must be a list"),
        (["pruned.macs"], ["maximize", "minimize"], "2 directions"),
        ([], "minimize", "1 directions"),
        (["pruned.macs"], "down", "holds 'down'"),
    ],
)
def test_wrong_objectives_are_refused(names, directions, message):
    with pytest.raises(EasiEdgeError, match=message):
        check_objectives(names, directions)


def test_right_objectives_pass():
    check_objectives([])
    check_objectives(list(NAMES))
    check_objectives(["pruned.macs"], "minimize")
    check_objectives(["pruned.val_accuracy", "pruned.macs"], ["maximize", "minimize"])
