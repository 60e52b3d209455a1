"""All runs of the study, one after the other: the folds of one network, by the commands that a user would type.

    python experiments/infrastructure_inspection/study.py NETWORK OUT data.root=PHOTOGRAPHS transfer=WEIGHTS [more overrides]

NETWORK is resnet18 or vgg16_imagenet (torchvision's, with ImageNet weights: model.pretrained=true is their default) or vgg16 (for 32x32,
by transfer= from weights of one's own).  ``folds.count=`` is 5 where it is not given.  Runs that are finished are not computed again, so the same command goes on after a stop; ``--only=STEP,STEP``
runs some steps.  ``collect.py OUT`` reads what it leaves.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from figures import plural

NETWORKS = ("vgg16", "resnet18", "vgg16_imagenet")
FOLDS = 5  # that the configurations deal
LEVELS = ",".join(f"{0.97 * k / 8:g}" for k in range(1, 9))  # the shares that the eight steps of Taylor pruning reach
TAYLOR = [
    "method=iterative",
    "scoring=taylor_2017",
    "budget.filters_removed=0.97",
    "schedule.steps=8",
    "schedule.test_levels=true",
    "recipe.finetune.distillation=0",  # the last level is trained like the others, without a tutor
]

BENCHED = {
    "easiedge": "compare/cells/easiedge-global-filters_removed-0.84875-seed0",
    "joint one-shot": "compare/cells/joint-one-shot-global-filters_removed-0.84875-seed0",
    "Taylor, stopped by the rule": "rule/0",
}
"""Runs that are timed beside the dense network, on one core and on all, by their names in the tables."""

WHOLE = {
    **{plural(e): [*TAYLOR, f"schedule.epochs={e}", f"recipe.finetune.epochs={e}"] for e in (1, 5, 10)},
    "easiedge": ["method=easiedge", "budget.filters_removed=0.97"],
    "joint one-shot": ["method=one_shot", "budget.filters_removed=0.97", "recipe.finetune.epochs=7"],
    "joint one-shot, 40 epochs": ["method=one_shot", "budget.filters_removed=0.97", "recipe.finetune.epochs=40"],
}
"""Runs of the first fold from the dense network to the last level that are timed, each by itself: no scores are looked up.  Names are those of the tables."""

LONGER = "${recipe.finetune.epochs}_${budget.filters_removed}_${seed}"
"""Folder of a run of joint one-shot that is trained for as long as Taylor pruning with five epochs at each of eight levels."""


def commands(network: str, out: Path, given: Sequence[str]) -> dict[str, list[str]]:
    """The commands by the step's name: the transfer, pruning by Taylor ranking, the rule, joint one-shot trained as long as Taylor, and so on."""
    place = f"{out.absolute()}/{network}"
    seeds = "seed=" + ",".join(map(str, range(fold_count(given))))
    common = [f"experiment=infrastructure/{network}", "logger=none", "trainer.progress=false"]
    transferred = [o for o in given if not o.startswith(("transfer=", "model.pretrained="))]
    dense = [*common, *transferred, f"weights='{place}/dense/${{seed}}/dense/model.safetensors'"]
    dense += [o for o in given if o.startswith("model.pretrained=")]

    def sweep(name: str, job: str) -> list[str]:
        return [f"hydra.sweep.dir='{place}/{name}'", f"hydra.sweep.subdir='{job}'"]

    epochs = ["schedule.epochs=1,5,10", "recipe.finetune.epochs='${schedule.epochs}'"]
    rule = ["schedule.tolerance=0.03", "schedule.epochs=1", "recipe.finetune.epochs=1"]
    longer = ["method=one_shot", "budget.filters_removed=0.84875,0.97", "recipe.finetune.epochs=40"]
    methods = "compare.methods=[easiedge,'joint one-shot: one_shot']"
    steps = {
        "dense": ["train", "-m", *common, *given, seeds, *sweep("dense", "${seed}")],
        "taylor": ["prune", "-m", *dense, seeds, *TAYLOR, *epochs, *sweep("taylor", "${schedule.epochs}_${seed}")],
        "rule": ["prune", "-m", *dense, seeds, *TAYLOR, *rule, *sweep("rule", "${seed}")],
        "longer": ["prune", "-m", *dense, seeds, *longer, *sweep("longer", LONGER)],
        "classifiers": ["classifiers", "-m", *dense, seeds, *sweep("classifiers", "${seed}")],
        "compare": [
            "compare", *dense, f"compare.seeds={fold_count(given)}", "compare.scopes=[global]", f"compare.budgets=[{LEVELS}]", methods,
            "compare.by=filters_removed", f"hydra.run.dir='{place}/compare'",
        ],
    }  # fmt: skip
    for name, own in WHOLE.items():
        steps[f"timed {name}"] = ["prune", *dense, "seed=0", *own, f"hydra.run.dir='{place}/timed/{name}'"]
    for run in BENCHED.values():
        for cores in sorted({1, len(os.sched_getaffinity(0))}):
            bench = ["bench", f"{place}/{run}", "--engines", "torch", "--threads", str(cores), "--no-layers"]
            steps[f"bench {run} {cores}"] = bench
    return steps


def refuse(message: str) -> NoReturn:
    """Say in one line what was wrong with the request; exit status 2."""
    print(message, file=sys.stderr)
    sys.exit(2)


def fold_count(given: Sequence[str]) -> int:
    """How many folds there are."""
    return int(next((o.removeprefix("folds.count=") for o in given if o.startswith("folds.count=")), FOLDS))


def refuse_untrained(network: str, given: Sequence[str]) -> None:
    """Transfer needs weights: without them the dense network would be trained from nothing, and no line would say so."""
    published = network != "vgg16" and "model.pretrained=false" not in given
    if not published and not any(o.startswith("transfer=") for o in given):
        refuse(f"{network} has no weights to transfer: give transfer=FILE, trained on other images")


def main(network: str, out: str, *given: str) -> int:
    """Run or go on; the first step that fails ends it."""
    only = next((o.removeprefix("--only=").split(",") for o in given if o.startswith("--only=")), None)
    overrides = [o for o in given if not o.startswith("--only=")]
    refuse_untrained(network, overrides)
    steps = commands(network, Path(out), overrides)
    if unknown := set(only or ()) - {step.split()[0] for step in steps}:
        refuse(f"--only={','.join(sorted(unknown))}: choose of {', '.join(dict.fromkeys(s.split()[0] for s in steps))}")
    for step, command in steps.items():
        if only is None or step.split()[0] in only:
            print(f"{step}: easiedge {' '.join(command)}", flush=True)
            code = subprocess.run([sys.executable, "-m", "easiedge", *command], check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in NETWORKS:
        refuse(
            f"usage: {Path(__file__).name} {'|'.join(NETWORKS)} OUT data.root=PHOTOGRAPHS [transfer=WEIGHTS] [overrides]"
        )
    sys.exit(main(*sys.argv[1:]))
