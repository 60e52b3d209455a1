"""Ours and what users would pick instead, in one harness: the same weights, data, training, surgery and measurement.

    python experiments/peers/run.py STUDY hydra.run.dir=DIR data.root=... weights=... [more overrides]

STUDY is one of those below, or with ``_short`` behind it for two processor cores; what follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
REG = 0.1  # of sparse training
BRIEF = "_short"
TORCH_PRUNING = "schedule._target_=rivals.torch_pruning.TorchPruning"

OURS = {
    "easiedge": "easiedge",
    "joint one-shot": "one_shot",
    "single one-shot": "one_shot scoring=taylor_information_gain",
}
LAYERWISE = "compensation=none projection=layerwise"
CLASSICS = {
    "iterative Taylor": "iterative scoring=taylor_2017 schedule.steps=10 schedule.epochs=${recipe.admm.epochs} projection.max_ratio=0.9",
    "FPGM": f"one_shot scoring=geometric_median {LAYERWISE}",
    "HRank": f"one_shot scoring=hrank {LAYERWISE}",
    "L1 layerwise": f"one_shot scoring=l1_magnitude {LAYERWISE}",
    "classic ADMM": f"easiedge scoring=l1_magnitude {LAYERWISE} schedule.dual=1 schedule.chunk=1 schedule.stopping.unchanged=99",
}


def torch_pruning(importance: str, scope: str = "global", sparse: float = 0.0) -> str:
    """Torch-Pruning's importance, as a method of ``easiedge compare``; ``sparse`` is the strength of sparse training before.

    Three W-steps' length of it, without weight decay, as in its own examples; these train 100 epochs with 5e-4, and the strength grows
    here as training is shorter.
    """
    named = f"one_shot compensation=none {TORCH_PRUNING} +schedule.importance={importance} +schedule.scope={scope}"
    if not sparse:
        return named
    length = "+schedule.sparse_iterations=3 +schedule.epochs_per_iteration=${recipe.admm.epochs}"
    return f"{named} {length} +schedule.reg={sparse:g} recipe.admm.weight_decay=0"


PEERS = {
    "Torch-Pruning magnitude": torch_pruning("magnitude"),
    "Torch-Pruning magnitude isomorphic": torch_pruning("magnitude", "isomorphic"),
    "Torch-Pruning LAMP": torch_pruning("lamp"),
    "Torch-Pruning Taylor": torch_pruning("taylor"),
    "Torch-Pruning Hessian": torch_pruning("hessian"),
    "Torch-Pruning group norm": torch_pruning("group_norm"),
    "Torch-Pruning group norm, sparse training": torch_pruning("group_norm", sparse=REG),
    "Torch-Pruning BN scale": torch_pruning("bn_scale"),
    "network slimming (Torch-Pruning BN scale, sparse training)": torch_pruning("bn_scale", sparse=REG),
}
ALIKE = {"resnet56": {"Torch-Pruning magnitude isomorphic"}}
"""Methods that a study leaves out, since they do there what another does: with ResNet's streams left alone all groups are isomorphic."""
RESNET56 = (
    "data=cifar10", "model=resnet56", "data.mean=[0.485,0.456,0.406]", "data.std=[0.229,0.224,0.225]",
    "compare.by=macs_removed", "compare.budgets=[0.5,0.72]",
)  # fmt: skip
VGG16 = ("data=cifar10", "model=vgg16")
STUDIES = {
    "resnet56": RESNET56,
    "vgg16": (*VGG16, "compare.by=macs_removed", "compare.budgets=[0.58,0.78]"),
    "vgg16_filters": (*VGG16, "compare.by=filters_removed", "compare.budgets=[0.8]"),
    "digits": ("compare.by=macs_removed", "compare.budgets=[0.5,0.8]"),
}
SHARED = (
    "compare.scopes=[]", "compare.seeds=3", "recipe.finetune.distillation=0", "++recipe.admm.distillation=0",
)  # fmt: skip
"""No tutor for anyone: what it is worth stands in the ablation."""
SHORT = (
    "+trainer.options.limit_train_batches=0.05", "+trainer.options.limit_val_batches=0.2", "masked_test=false",
    "calibration.images=512",
)  # fmt: skip
"""An epoch is a twentieth of one, for two processor cores in place of a GPU."""


def asked(study: str) -> list[str]:
    """Overrides of ``easiedge compare`` for one study; its name may end in ``_short``."""
    full = study.removesuffix(BRIEF)
    chosen = {name: own for name, own in (OURS | PEERS | CLASSICS).items() if name not in ALIKE.get(full, ())}
    methods = ",".join(f"'{name}: {own}'" for name, own in chosen.items())
    return [*STUDIES[full], f"compare.methods=[{methods}]", *SHARED, *(SHORT if full != study else ())]


def main(study: str, *overrides: str) -> int:
    """Run or go on with one study; what is given replaces what the study asks."""
    return compare(asked(study), overrides)


def compare(asked: Sequence[str], given: Sequence[str]) -> int:
    """``easiedge compare`` with what a study asks, unless the same is given otherwise."""
    from easiedge.cli import main as easiedge

    sys.path.insert(0, str(HERE))  # of the rivals, for workers too
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    replaced = {o.partition("=")[0] for o in given}
    return easiedge(["compare", *(o for o in asked if o.partition("=")[0] not in replaced), *given])


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].removesuffix(BRIEF) not in STUDIES:
        print(
            f"usage: python experiments/peers/run.py {'|'.join(STUDIES)} (or ..{BRIEF}) [overrides of easiedge compare]",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
