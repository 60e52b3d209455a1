"""Ours and what users would pick instead, in one harness: the same weights, data, training, surgery and measurement.

    python experiments/peers/run.py STUDY hydra.run.dir=DIR data.root=... weights=... [more overrides]

STUDY is one of those below, or with ``_short`` behind it for two processor cores, or with ``_reg`` behind that to choose the strength of sparse
training on validation data; what follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
REGS = (1e-4, 5e-4, 2e-3, 1e-2, 5e-2)
"""Strengths of sparse training to choose from; Torch-Pruning's examples take 5e-4 or 1e-4."""
BRIEF, STRENGTHS = "_short", "_reg"
EPOCHS = 12
"""Of every method after the dense network: said, so that a method more or less changes nothing for the others."""
TORCH_PRUNING = "schedule._target_=rivals.torch_pruning.TorchPruning"

OURS = {
    "easiedge one-shot": "one_shot",
    "easiedge ADMM": "easiedge",
    "easiedge iterative": "iterative scoring=joint_information_gain compensation=least_squares schedule.steps=6 schedule.epochs=${recipe.admm.epochs}",
}
"""The first is what the others are compared with: chosen by validation accuracy on VGG-16 at 80 % of the filters, seed 0."""
LAYERWISE = "compensation=none projection=layerwise"
CLASSICS = {
    "iterative Taylor": "iterative scoring=taylor_2017 schedule.steps=6 schedule.epochs=${recipe.admm.epochs} projection.max_ratio=0.9",
    "FPGM": f"one_shot scoring=geometric_median {LAYERWISE}",
    "HRank": f"one_shot scoring=hrank {LAYERWISE}",
    "L1 layerwise": f"one_shot scoring=l1_magnitude {LAYERWISE}",
    "classic ADMM": f"easiedge scoring=l1_magnitude {LAYERWISE} schedule.dual=1 schedule.dual_in_scores=true schedule.start=0 schedule.rho=1 schedule.chunk=1 "
    "schedule.stopping.unchanged=99",
}


def torch_pruning(importance: str, scope: str = "global", sparse: float = 0.0) -> str:
    """Torch-Pruning's importance, as a method of ``easiedge compare``; ``sparse`` is the strength of sparse training before.

    Three W-steps' length of it, without weight decay, as in its own examples.
    """
    named = f"one_shot compensation=none {TORCH_PRUNING} +schedule.importance={importance} +schedule.scope={scope}"
    if not sparse:
        return named
    length = "+schedule.sparse_iterations=3 +schedule.epochs_per_iteration=${recipe.admm.epochs}"
    return f"{named} {length} +schedule.reg={sparse:g} recipe.admm.weight_decay=0"


DENSE = {
    "Torch-Pruning magnitude": torch_pruning("magnitude"),
    "Torch-Pruning magnitude isomorphic": torch_pruning("magnitude", "isomorphic"),
    "Torch-Pruning LAMP": torch_pruning("lamp"),
    "Torch-Pruning Taylor": torch_pruning("taylor"),
    "Torch-Pruning Hessian": torch_pruning("hessian"),
    "Torch-Pruning group norm": torch_pruning("group_norm"),
    "Torch-Pruning BN scale": torch_pruning("bn_scale"),
}
SPARSE = {
    "Torch-Pruning group norm, sparse training": "group_norm",
    "network slimming (Torch-Pruning BN scale, sparse training)": "bn_scale",
}
CHOSEN = {"group_norm": 1e-2, "bn_scale": 1e-2}
"""On validation data (``vgg16_short_reg``, 78 % of the MACs; ``resnet56_short_reg``, 72 %, below): fivefold more ruins VGG-16, a fifth leaves units that are needed."""
CUSTOMARY = {"group_norm": 5e-4, "bn_scale": 5e-4}
STRENGTH = {
    "vgg16": CHOSEN,
    "vgg16_filters": CHOSEN,
    "resnet56": {"group_norm": 2e-3, "bn_scale": 5e-4},
    "digits": CUSTOMARY,
}
"""Of sparse training, by study."""
ALIKE = {"resnet56": {"Torch-Pruning magnitude isomorphic"}}
"""Methods that a study leaves out, since they do there what another does: with ResNet's streams left alone all groups are isomorphic."""
RESNET56 = (
    "data=cifar10", "model=resnet56", "data.mean=[0.485,0.456,0.406]", "data.std=[0.229,0.224,0.225]",
    "compare.by=macs_removed", "compare.budgets=[0.5,0.72]", 'groups.include=["layer*.conv1"]',
)  # fmt: skip
"""The residual streams stay whole for everyone: Torch-Pruning cannot follow them."""
VGG16 = ("data=cifar10", "model=vgg16")
STUDIES = {
    "resnet56": RESNET56,
    "vgg16": (*VGG16, "compare.by=macs_removed", "compare.budgets=[0.58,0.78]"),
    "vgg16_filters": (*VGG16, "compare.by=filters_removed", "compare.budgets=[0.8]"),
    "digits": ("compare.by=macs_removed", "compare.budgets=[0.5,0.8]", "compare.epochs=60"),
}
SHARED = (
    f"compare.epochs={EPOCHS}", "compare.scopes=[]", "compare.seeds=3", "recipe.finetune.distillation=0", "++recipe.admm.distillation=0",
)  # fmt: skip
"""No tutor for anyone: what it is worth stands in the ablation."""
SHORT = (
    "+trainer.options.limit_train_batches=0.1", "+trainer.options.limit_val_batches=0.5", "masked_test=false",
    "calibration.images=512", "logger=none",
)  # fmt: skip
"""An epoch is a tenth of one, for two processor cores in place of a GPU."""


def methods(study: str) -> dict[str, str]:
    """What a study compares, as methods of ``easiedge compare``."""
    if study.endswith(STRENGTHS):
        return {
            f"{importance}, sparse training {reg:g}": torch_pruning(importance, sparse=reg)
            for importance in SPARSE.values()
            for reg in REGS
        }
    full = study.removesuffix(BRIEF)
    sparse = {name: torch_pruning(importance, sparse=STRENGTH[full][importance]) for name, importance in SPARSE.items()}
    return {name: own for name, own in (OURS | DENSE | sparse | CLASSICS).items() if name not in ALIKE.get(full, ())}


def asked(study: str) -> list[str]:
    """Overrides of ``easiedge compare`` for one study, whose name may end in ``_short``, ``_reg`` or ``_short_reg``."""
    length = study.removesuffix(STRENGTHS)
    named = ",".join(f"'{name}: {own}'" for name, own in methods(study).items())
    shared = [f"compare.methods=[{named}]", *SHARED, *(SHORT if length.endswith(BRIEF) else ())]
    return replaced(shared, STUDIES[length.removesuffix(BRIEF)])


def main(study: str, *overrides: str) -> int:
    """Run or go on with one study; what is given replaces what the study asks."""
    return compare(asked(study), overrides)


def compare(asked: Sequence[str], given: Sequence[str]) -> int:
    """``easiedge compare`` with what a study asks, unless the same is given otherwise."""
    from easiedge.cli import main as easiedge

    sys.path.insert(0, str(HERE))  # of the rivals, for workers too
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return easiedge(["compare", *replaced(asked, given)])


def replaced(asked: Sequence[str], given: Sequence[str]) -> list[str]:
    """``asked``, and ``given`` in place of what sets the same."""
    names = {o.partition("=")[0] for o in given}
    return [*(o for o in asked if o.partition("=")[0] not in names), *given]


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].removesuffix(STRENGTHS).removesuffix(BRIEF) not in STUDIES:
        print(
            f"usage: python experiments/peers/run.py {'|'.join(STUDIES)} (or ..{BRIEF}, ..{STRENGTHS}, ..{BRIEF}{STRENGTHS}) [overrides of easiedge compare]",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
