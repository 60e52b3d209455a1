"""The studies of experiments/peers compose: every method exists, and all of them share what a fair comparison shares."""

import ablation
import pytest
import run

from easiedge.cli import conf_dir
from easiedge.compare.cells import plan
from easiedge.compare.fairness import check_fair
from easiedge.compare.request import request_of
from easiedge.configuration import composed

PLACES = {
    "resnet56": ("data.root=cifar10.zip", "weights=resnet56.safetensors"),
    "digits": (),
}


def planned(asked):
    """The cells, and the configuration of one of each setting."""
    request = request_of(composed(conf_dir(), [*asked]).compare, 0)
    cells = plan(request, conf_dir(), [o for o in asked if not o.startswith("compare.")]).cells
    settings = {cell.setting: composed(conf_dir(), [*cell.overrides]) for cell in cells}
    check_fair(settings, request.by, request.varied)
    return cells, settings


@pytest.mark.parametrize("study", ["resnet56", "resnet56_short", "digits"])
def test_all_methods_train_for_equally_many_epochs_and_nobody_has_a_tutor(study):
    full = study.removesuffix(run.BRIEF)
    cells, settings = planned([*run.asked(study), *PLACES[full], "compare.seeds=1", "compare.budgets=[0.5]"])
    assert {s.method for s in settings} == {"", *run.OURS, *run.DENSE, *run.SPARSE, *run.CLASSICS} - run.ALIKE.get(
        full, set()
    )
    assert len(cells) == len(settings)
    for cfg in settings.values():
        assert cfg.recipe.finetune.distillation == cfg.recipe.admm.distillation == 0
        assert cfg.trainer.options.get("limit_train_batches") == (None if study == full else 0.1)


def test_every_part_is_ablated_at_the_same_budget():
    given = ["compare.by=macs_removed", "compare.budgets=[0.7]", "compare.seeds=1", "compare.epochs=60"]
    _, settings = planned(run.replaced(ablation.asked(), given))
    assert {s.method for s in settings} == {"", *ablation.ADMM, *ablation.ONE_SHOT, *ablation.ITERATIVE}


def test_the_strength_of_sparse_training_is_one_of_several_in_a_study_of_its_own():
    _, settings = planned(
        [*run.asked("resnet56_short_reg"), *PLACES["resnet56"], "compare.seeds=1", "compare.budgets=[0.5]"]
    )
    strengths = {(cfg.schedule.importance, cfg.schedule.reg) for s, cfg in settings.items() if s.method}
    assert strengths == {(importance, reg) for importance in ("group_norm", "bn_scale") for reg in run.REGS}
