"""What each part of the method is worth: it is taken away, or set otherwise, and everything else stays.

    python experiments/peers/ablation.py [short] hydra.run.dir=DIR data=... model=... weights=... compare.by=... compare.budgets=[...]

``short`` is for two processor cores (`run.SHORT`); what follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import sys

from run import OURS, SHARED, SHORT, compare, torch_pruning

WHOLE = "schedule.stopping.unchanged=99"  # W-steps until the last, settled or not
ONE_SHOT = {
    "no ADMM": "one_shot",
    "no ADMM, chosen at once": "one_shot scoring.chunk=1",
    "no ADMM, single units": "one_shot scoring=taylor_information_gain",
    "no ADMM, no refit": "one_shot compensation=none",
    "no ADMM, refit at the end only": "one_shot compensation.interleaved=false",
    "no ADMM, refit pulled a hundred times less": "one_shot compensation.ridge=0.001",
    "no ADMM, norms not rebased": "one_shot compensation.rebase=false",
    "no ADMM, never readjusted": "one_shot compensation.readjust=0",
    "no ADMM, a tutor": "one_shot recipe.finetune.distillation=0.5",
    "no ADMM, a tutor and few labels": "one_shot recipe.finetune.distillation=0.9",
    "no ADMM, norms not measured anew": "one_shot ++recipe.finetune.young_norms=false",
    "no ADMM, learning rate rewound": "one_shot recipe.finetune.lr=${recipe.train.lr}",
    "L1 layerwise, our refit": "one_shot scoring=l1_magnitude projection=layerwise",
    "Torch-Pruning Taylor, our refit": torch_pruning("taylor").replace(" compensation=none", ""),
}
ADMM = {
    "all of it": "easiedge",
    "one iteration": "easiedge schedule.iterations=1",
    "five iterations": "easiedge schedule.iterations=5",
    "W-steps from where the last one ended": "easiedge schedule.start=0",
    "the same, rho 1": "easiedge schedule.start=0 schedule.rho=1",
    "the same, full dual": f"easiedge schedule.start=0 schedule.rho=1 schedule.dual=1 {WHOLE}",
    "rho 1": "easiedge schedule.rho=1",
    "rho 0.05, 0.1, 0.2": f"easiedge schedule.rho=0.05 schedule.policy._target_=easiedge.admm.IncreasingRho {WHOLE}",
    "chosen at once in each iteration": "easiedge schedule.chunk=1 scoring.chunk=1",
    "single units": "easiedge scoring=taylor_information_gain",
    "no refit": "easiedge compensation=none",
    "a tutor in fine-tuning": "easiedge recipe.finetune.distillation=0.5",
    "a tutor": "easiedge recipe.finetune.distillation=0.5 ++recipe.admm.distillation=0.5",
}
REFITTED = "iterative scoring=joint_information_gain compensation=least_squares schedule.epochs=${recipe.admm.epochs}"
ITERATIVE = {
    "removed in three steps": f"{REFITTED} schedule.steps=3",
    "removed in six steps": OURS["easiedge iterative"],
    "removed in six steps, no refit": OURS["easiedge iterative"].replace("least_squares", "none"),
}


def asked() -> list[str]:
    """Overrides of ``easiedge compare``."""
    methods = ",".join(f"'{name}: {own}'" for name, own in (ONE_SHOT | ADMM | ITERATIVE).items())
    varied = "compare.varied=[recipe.finetune.distillation,recipe.finetune.lr,recipe.finetune.young_norms]"
    return [f"compare.methods=[{methods}]", *SHARED, varied]


def main(*overrides: str) -> int:
    """Run or go on; what is given replaces what the study asks."""
    brief = overrides[:1] == ("short",)
    return compare([*asked(), *(SHORT if brief else ())], overrides[brief:])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
