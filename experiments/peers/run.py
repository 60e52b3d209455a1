"""Ours and what users would pick instead, in one harness: the same weights, data, training, surgery and measurement.

    python experiments/peers/run.py STUDY hydra.run.dir=DIR data.root=... weights=... [more overrides]

STUDY is one of those below; what follows goes to ``easiedge compare``.  The same command goes on after a stop.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
TORCH_PRUNING = "schedule._target_=rivals.torch_pruning.TorchPruning"

OURS = {
    "easiedge": "easiedge",
    "joint one-shot": "one_shot",
    "single one-shot": "one_shot scoring=taylor_information_gain",
}
CLASSICS = {
    "iterative Taylor": "iterative scoring=taylor_2017 schedule.steps=3",
    "FPGM": "one_shot scoring=geometric_median compensation=none",
    "HRank": "one_shot scoring=hrank compensation=none",
    "L1 layerwise": "one_shot scoring=l1_magnitude compensation=none projection=layerwise",
    "classic ADMM": "easiedge scoring=l1_magnitude compensation=none projection=layerwise schedule.dual=1",
}


def torch_pruning(importance: str, scope: str = "global", sparse: int = 0) -> str:
    """Torch-Pruning's importance, as a method of ``easiedge compare``."""
    named = f"one_shot compensation=none {TORCH_PRUNING} +schedule.importance={importance} +schedule.scope={scope}"
    return f"{named} +schedule.sparse_epochs={sparse}" if sparse else named


PEERS = {
    "Torch-Pruning magnitude": torch_pruning("magnitude"),
    "Torch-Pruning magnitude isomorphic": torch_pruning("magnitude", "isomorphic"),
    "Torch-Pruning LAMP": torch_pruning("lamp"),
    "Torch-Pruning Taylor": torch_pruning("taylor"),
    "Torch-Pruning Hessian": torch_pruning("hessian"),
    "Torch-Pruning group norm, sparse training": torch_pruning("group_norm", sparse=3),
    "network slimming (Torch-Pruning BN scale, sparse training)": torch_pruning("bn_scale", sparse=3),
}
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


def asked(study: str) -> list[str]:
    """Overrides of ``easiedge compare`` for one study."""
    methods = ",".join(f"'{name}: {own}'" for name, own in (OURS | PEERS | CLASSICS).items())
    return [*STUDIES[study], f"compare.methods=[{methods}]", "compare.scopes=[]", "compare.seeds=3"]


def main(study: str, *overrides: str) -> int:
    """Run or go on with one study; what is given replaces what the study asks."""
    sys.path.insert(0, str(HERE))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])  # workers
    return compare(asked(study), overrides)


def compare(asked: Sequence[str], given: Sequence[str]) -> int:
    """``easiedge compare`` with what a study asks, unless the same is given otherwise."""
    from easiedge.cli import main as easiedge

    replaced = {o.partition("=")[0] for o in given}
    return easiedge(["compare", *(o for o in asked if o.partition("=")[0] not in replaced), *given])


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in STUDIES:
        sys.exit(f"usage: python experiments/peers/run.py {'|'.join(STUDIES)} [overrides of easiedge compare]")
    sys.exit(main(*sys.argv[1:]))
