"""Where should ADMM's W-steps start, and how strong a penalty do they need?  Arguments go to ``easiedge compare``.

    python experiments/admm_start/study.py experiment=global_vs_layerwise_digits compare.seeds=10 compare.budgets=[0.7,0.9] hydra.run.dir=DIR

The same command goes on after a stop.
"""

from __future__ import annotations

import sys

from easiedge.cli import main

METHODS = {
    "one-shot": "one_shot",
    "start 0, rho 1": "easiedge schedule.start=0 schedule.rho=1",
    "start 0, rho 0.1": "easiedge schedule.start=0 schedule.rho=0.1",
    "start 0.9, rho 1": "easiedge schedule.start=0.9 schedule.rho=1",
    "start 0.9, rho 0.1": "easiedge schedule.start=0.9 schedule.rho=0.1",
    "start 0.9, rho 0.01": "easiedge schedule.start=0.9 schedule.rho=0.01",
    "start 0.99, rho 0.1": "easiedge schedule.start=0.99 schedule.rho=0.1",
}

if __name__ == "__main__":
    methods = ",".join(f"'{name}: {own}'" for name, own in METHODS.items())
    asked = [f"compare.methods=[{methods}]", "compare.criteria=[]", "compare.scopes=[]"]
    given = {argument.partition("=")[0] for argument in sys.argv[1:]}
    sys.exit(main(["compare", *(a for a in asked if a.partition("=")[0] not in given), *sys.argv[1:]]))
