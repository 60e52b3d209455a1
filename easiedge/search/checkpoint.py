"""A search on disk: what `StageMemory` keeps of it, and how it is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from easiedge.model.architecture import build, describe
from easiedge.search.greedy import Progress, Step
from easiedge.search.lean_training import Quality
from easiedge.search.proposal import SearchState
from easiedge.search.structure import structure_of


def as_content(progress: Progress) -> dict[str, Any]:
    """Plain values and tensors."""
    here = progress.structure
    return {
        "architecture": json.dumps(describe(here.network)), "weights": dict(here.network.state_dict()), "kept": dict(here.kept),
        "quality": [here.quality.accuracy, here.quality.minus_loss], "state": progress.state.as_plain(),
        "steps": [asdict(step) for step in progress.steps],
    }  # fmt: skip


def of_content(content: Mapping[str, Any], inputs: Tensor) -> Progress:
    """The search that `as_content` was given; ``inputs`` are its samples for proofs."""
    network = build(json.loads(content["architecture"]))
    network.load_state_dict(content["weights"])
    here = structure_of(network.eval(), content["kept"], Quality(*content["quality"]), inputs)
    return Progress(here, SearchState.of_plain(content["state"]), tuple(Step(**step) for step in content["steps"]))
