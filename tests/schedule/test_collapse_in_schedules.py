"""When the schedules ask the collapse guard: early enough to save the training, and never about a mask that does not stay."""

import pytest
import torch
from networks import network
from problem import batches, trained
from test_prune import RECIPE, Foreign, loader, trainer

import easiedge
from easiedge.admm import Stopping
from easiedge.errors import BudgetError
from easiedge.schedule.admm import Admm
from easiedge.schedule.iterative import Iterative
from easiedge.schedule.selection import Selection
from easiedge.surgery.tries import Way

TO_THE_END = Stopping(tolerance=0.0)
SHARE = 0.7  # Residual has groups of 4, 5 and 4 units: one that keeps a single unit has collapsed
CHOICE = {"criterion": "random", "options": {"seed": 1}, "compensation": None, "collapse_share": SHARE}


@pytest.fixture(scope="module")
def dense():
    return trained(network("Residual"))


class Turns(Selection):
    """Chooses, in turns, masks that keep so many units of each group."""

    def mask(self, network, groups, *args, decided=lambda way: None, **options):
        decided(Way(0.0, "auto"))
        keep = self.options["turns"].pop(0)
        return easiedge.FilterMask({g.name: torch.arange(g.size) < keep for g in groups})

    def __post_init__(self):
        """The turns are no options of a criterion."""


def turns(*keep, collapse):
    return Turns(options={"turns": list(keep)}, compensation=None, collapse=collapse, collapse_share=SHARE)


def prune(dense, schedule, selection, removed=0.7):
    return easiedge.prune(
        dense, batches(2, 1), batches(1, 2), budget=easiedge.Budget(filters_removed=removed), schedule=schedule, epochs=0,
        recipe=RECIPE, selection=selection, calibration_images=32, progress=False,
    )  # fmt: skip


def lines(caplog, *starts):
    return [
        r.getMessage().split(":")[0].split(" go in")[0] for r in caplog.records if r.getMessage().startswith(starts)
    ]


def test_admm_warns_once_and_before_its_training(dense, caplog):
    caplog.set_level("INFO")
    prune(dense, Admm(iterations=3, stopping=TO_THE_END), Selection(**CHOICE))
    assert lines(caplog, "ADMM", "over") == ["over 70 % of the units", "ADMM 1", "ADMM 2", "ADMM 3"]


def test_admm_stops_before_its_training(dense, caplog):
    caplog.set_level("INFO")
    with pytest.raises(BudgetError, match="over 70 %"):
        prune(dense, Admm(iterations=3, stopping=TO_THE_END), Selection(**CHOICE, collapse="error"))
    assert not lines(caplog, "ADMM")


def test_admm_says_nothing_where_told_so(dense, caplog):
    caplog.set_level("INFO")
    prune(dense, Admm(iterations=1, stopping=TO_THE_END), Selection(**CHOICE, collapse="ignore"))
    assert lines(caplog, "ADMM", "over") == ["ADMM 1"]


def test_the_final_mask_decides_and_those_between_do_not(dense, caplog):
    caplog.set_level("INFO")
    prune(dense, Admm(iterations=3, stopping=TO_THE_END), turns(3, 1, 1, 3, collapse="error"))
    assert lines(caplog, "ADMM", "over") == ["ADMM 1", "ADMM 2", "ADMM 3"]
    caplog.clear()
    prune(dense, Admm(iterations=2, stopping=TO_THE_END), turns(3, 3, 1, collapse="warn"))
    assert lines(caplog, "ADMM", "over") == ["ADMM 1", "ADMM 2", "over 70 % of the units"]
    with pytest.raises(BudgetError, match="nothing has been removed"):
        prune(dense, Admm(iterations=2, stopping=TO_THE_END), turns(3, 3, 1, collapse="error"))


def test_iterative_stops_in_the_step_that_collapses_and_warns_once(dense, caplog):
    caplog.set_level("INFO")
    with pytest.raises(BudgetError, match="over 70 %"):
        prune(dense, Iterative(steps=5), Selection(**CHOICE, collapse="error"))
    steps = lines(caplog, "iteration")
    assert steps[0] == "iteration 1/5" and 1 <= len(steps) < 5
    caplog.clear()
    prune(dense, Iterative(steps=5), Selection(**CHOICE))
    told = lines(caplog, "over")
    named = [r.getMessage().count("kept)") for r in caplog.records if r.getMessage().startswith("over")]
    assert 1 <= len(told) <= 3 and named == sorted(set(named))  # once more only where another group joins


def test_a_step_that_is_taken_back_is_no_collapse(dense, caplog):
    caplog.set_level("INFO")
    compact = prune(dense, Iterative(steps=1, epochs=0, tolerance=0.0), Selection(**CHOICE, collapse="error"))
    x = batches(1, 0)[0][0]
    assert "stopped" in caplog.text and easiedge.count(compact, x) == easiedge.count(dense, x)
    with pytest.raises(BudgetError, match="over 70 %"):
        prune(dense, Iterative(steps=1, epochs=0, tolerance=0.99), Selection(**CHOICE, collapse="error"))


@pytest.mark.filterwarnings(
    "ignore:.*does not have many workers:UserWarning", "ignore:.*fewer than the logging interval:UserWarning"
)
def test_the_callback_asks_after_the_first_iteration_and_before_it_removes(caplog):
    caplog.set_level("INFO")
    budget = easiedge.Budget(filters_removed=0.7)
    callback = easiedge.GlobalPruning(
        budget, calibration_images=32, iterations=2, selection=Selection(**CHOICE, collapse="error")
    )
    module = Foreign(network("Residual").train())
    before = module.net
    with pytest.raises(BudgetError, match="over 70 %"):
        trainer(callback, 3).fit(module, loader(2, 1))
    assert lines(caplog, "ADMM", "removed") == ["ADMM 1"] and module.net is before
    caplog.clear()
    callback = easiedge.GlobalPruning(budget, calibration_images=32, iterations=2, selection=Selection(**CHOICE))
    trainer(callback, 3).fit(Foreign(network("Residual").train()), loader(2, 1))
    assert lines(caplog, "ADMM", "over") == ["ADMM 1", "over 70 % of the units", "ADMM 2"]


@pytest.mark.parametrize("wrong", [{"collapse": "explode"}, {"collapse_share": 1.0}])
def test_a_selection_with_a_wrong_guard_cannot_be_made(wrong):
    with pytest.raises(BudgetError, match="collapse"):
        Selection(**wrong)
