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
    request = request_of(composed(conf_dir(), [*asked]).compare, 0)
    cells = plan(request, conf_dir(), [o for o in asked if not o.startswith("compare.")])
    one_each = {cell.setting: cell for cell in reversed(cells.cells)}
    check_fair(
        {setting: composed(conf_dir(), [*cell.overrides]) for setting, cell in one_each.items()},
        request.by,
        request.varied,
    )
    return cells


@pytest.mark.parametrize("study", ["resnet56", "digits"])
def test_all_methods_train_for_equally_many_epochs(study):
    cells = planned([*run.asked(study), *PLACES[study], "compare.seeds=1"])
    methods = {cell.setting.method for cell in cells.cells if not cell.setting.control}
    assert methods == {*run.OURS, *run.PEERS, *run.CLASSICS} - run.ALIKE.get(study, set())
    budgets = {cell.setting.budget for cell in cells.cells if not cell.setting.control}
    assert len(cells.cells) == 1 + len(methods) * len(budgets)


def test_nobody_has_a_tutor_and_the_short_form_is_short():
    for study, share in (("resnet56", None), ("resnet56_short", 0.05)):
        for cell in planned([*run.asked(study), *PLACES["resnet56"], "compare.seeds=1"]).cells:
            cfg = composed(conf_dir(), [*cell.overrides])
            assert cfg.recipe.finetune.distillation == cfg.recipe.admm.distillation == 0
            assert cfg.trainer.options.get("limit_train_batches") == share


def test_every_part_is_ablated_at_the_same_budget():
    cells = planned([*ablation.asked(), "compare.by=macs_removed", "compare.budgets=[0.7]", "compare.seeds=1"])
    assert {c.setting.method for c in cells.cells} == {"", *ablation.ADMM, *ablation.ONE_SHOT}
