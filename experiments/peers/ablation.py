"""What each part of the method is worth: it is taken away, or set otherwise, and everything else stays.

    python experiments/peers/ablation.py hydra.run.dir=DIR data=... model=... weights=... compare.by=... compare.budgets=[...]

What follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import sys

from run import compare

ADMM = {
    "all of it": "easiedge",
    "one iteration": "easiedge schedule.iterations=1",
    "five iterations": "easiedge schedule.iterations=5",
    "rho 0.1": "easiedge schedule.rho=0.1",
    "rho 5": "easiedge schedule.rho=5",
    "rho increasing": "easiedge schedule.rho=0.1 schedule.policy._target_=easiedge.admm.IncreasingRho",
    "full dual": "easiedge schedule.dual=1",
    "penalty draws to the weights, not to the refitted ones": "easiedge schedule.refit=false",
    "chosen at once in each iteration": "easiedge schedule.chunk=1 scoring.chunk=1",
    "single units": "easiedge scoring=taylor_information_gain",
    "no refit": "easiedge compensation=none",
    "no tutor": "easiedge recipe.finetune.distillation=0 ++recipe.admm.distillation=0",
}
ONE_SHOT = {
    "no ADMM": "one_shot",
    "no ADMM, chosen at once": "one_shot scoring.chunk=1",
    "no ADMM, single units": "one_shot scoring=taylor_information_gain",
    "no ADMM, no refit": "one_shot compensation=none",
    "no ADMM, no tutor": "one_shot recipe.finetune.distillation=0",
}


def asked() -> list[str]:
    """Overrides of ``easiedge compare``."""
    methods = ",".join(f"'{name}: {own}'" for name, own in (ADMM | ONE_SHOT).items())
    varied = "compare.varied=[recipe.finetune.distillation]"
    return [f"compare.methods=[{methods}]", "compare.scopes=[]", "compare.seeds=3", varied]


def main(*overrides: str) -> int:
    """Run or go on; what is given replaces what the study asks."""
    return compare(asked(), overrides)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
