"""What each part of the method is worth: it is taken away, or set otherwise, and everything else stays.

    python experiments/peers/ablation.py [short] hydra.run.dir=DIR data=... model=... weights=... compare.by=... compare.budgets=[...]

``short`` is for two processor cores (`run.SHORT`); what follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import sys

from run import SHORT, compare, torch_pruning

LR = 0.02  # of fine-tuning in the recipes of CIFAR-10
WHOLE = "schedule.stopping.unchanged=99"  # W-steps until the last, settled or not
ADMM = {
    "all of it": "easiedge",
    "one iteration": "easiedge schedule.iterations=1",
    "five iterations": "easiedge schedule.iterations=5",
    "iterations of two epochs": "easiedge schedule.epochs_per_iteration=2",
    "to the last iteration": f"easiedge {WHOLE}",
    "rho 0.1": "easiedge schedule.rho=0.1",
    "rho 5": "easiedge schedule.rho=5",
    "rho 0.5, 1, 2": f"easiedge schedule.rho=0.5 schedule.policy._target_=easiedge.admm.IncreasingRho {WHOLE}",
    "rho balanced": f"easiedge schedule.dual=1 schedule.policy._target_=easiedge.admm.ResidualBalancing {WHOLE}",
    "full dual": f"easiedge schedule.dual=1 {WHOLE}",
    "penalty draws to the weights, not to the refitted ones": "easiedge schedule.refit=false",
    "chosen at once in each iteration": "easiedge schedule.chunk=1 scoring.chunk=1",
    "readjusted in the loop": "easiedge schedule.readjust=0.1",
    "single units": "easiedge scoring=taylor_information_gain",
    "no refit": "easiedge compensation=none",
    "no tutor in the iterations": "easiedge ++recipe.admm.distillation=0",
    "no tutor": "easiedge recipe.finetune.distillation=0 ++recipe.admm.distillation=0",
}
ONE_SHOT = {
    "no ADMM": "one_shot",
    "no ADMM, chosen at once": "one_shot scoring.chunk=1",
    "no ADMM, single units": "one_shot scoring=taylor_information_gain",
    "no ADMM, no refit": "one_shot compensation=none",
    "no ADMM, refit at the end only": "one_shot compensation.interleaved=false",
    "no ADMM, norms not rebased": "one_shot compensation.rebase=false",
    "no ADMM, choice not for the refit": "one_shot compensation.readjust=0",
    "no ADMM, no tutor": "one_shot recipe.finetune.distillation=0",
    "no ADMM, norms not measured anew": "one_shot ++recipe.finetune.young_norms=false",
    "no ADMM, half the learning rate": f"one_shot recipe.finetune.lr={0.5 * LR:g}",
    "no ADMM, twice the learning rate": f"one_shot recipe.finetune.lr={2 * LR:g}",
    "no ADMM, learning rate rewound": "one_shot recipe.finetune.lr=${recipe.train.lr}",
    "L1 layerwise, our refit": "one_shot scoring=l1_magnitude projection=layerwise",
    "Torch-Pruning Taylor, our refit": torch_pruning("taylor").replace(" compensation=none", ""),
}


def asked() -> list[str]:
    """Overrides of ``easiedge compare``."""
    methods = ",".join(f"'{name}: {own}'" for name, own in (ADMM | ONE_SHOT).items())
    varied = "compare.varied=[recipe.finetune.distillation,recipe.finetune.lr,recipe.finetune.young_norms]"
    return [f"compare.methods=[{methods}]", "compare.scopes=[]", "compare.seeds=3", varied]


def main(*overrides: str) -> int:
    """Run or go on; what is given replaces what the study asks."""
    brief = overrides[:1] == ("short",)
    return compare([*asked(), *(SHORT if brief else ())], overrides[brief:])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
