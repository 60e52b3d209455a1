"""Scores that several jobs need, computed once: `SharedScores` stands in for `easiedge.score`.

The key is a digest of everything that the scores depend on: network, groups, batches, criterion, options, code and
processor.  So the scores that are looked up are those that would have been computed, bit for bit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from easiedge.model.digest import UndigestibleError, circumstances, digest
from easiedge.processes import first, told
from easiedge.scoring.batches import Batches
from easiedge.scoring.score import score
from easiedge.store import Store
from easiedge.unit import FilterGroup, FilterScores, Interaction

log = logging.getLogger(__name__)

_FORMS = ("gradient", "fisher", "rows")


class SharedScores:
    """`easiedge.score`, looked up where it has been computed before.

    Attributes:
        store: where the scores are.
        found, made: how many scores were looked up and computed by this object.
        spared: seconds that those which were looked up took where they were computed.
    """

    def __init__(self, store: Store) -> None:
        self.store, self.found, self.made, self.spared = store, 0, 0, 0.0

    def __call__(
        self,
        model: nn.Module,
        groups: Sequence[FilterGroup],
        batches: Batches,
        criterion: str = "taylor_information_gain",
        **options: Any,
    ) -> FilterScores:
        """As `easiedge.score`; options whose content cannot be told, such as a function as tutor, are never looked up."""
        if isinstance(batches, Iterator):
            batches = list(batches)
        try:
            key = score_key(model, groups, batches, criterion, options)
        except UndigestibleError as reason:
            log.debug("scores are not shared: %s", reason)
            self.made += 1
            return score(model, groups, batches, criterion, **options)
        entry = told(self.store.get(key) if first() else None)
        if entry is not None:
            self.found += 1
            self.spared += float(entry[1].get("seconds", 0.0))
            log.info("scores of %d units: computed before", sum(g.size for g in groups))
            return from_tensors(*entry)
        begun = time.perf_counter()
        scores = score(model, groups, batches, criterion, **options)
        took = time.perf_counter() - begun
        self.made += 1
        if first():
            tensors, facts = to_tensors(scores)
            self.store.put(key, tensors, facts | {"seconds": took})
        return scores


def score_key(
    model: nn.Module, groups: Sequence[FilterGroup], batches: Batches, criterion: str, options: dict[str, Any]
) -> str:
    """The digest of all that decides the scores.

    Raises:
        UndigestibleError: an option, a batch or the network holds what has no digest.
    """
    return digest("scores", circumstances(model), model, list(groups), list(batches), criterion, options)


def to_tensors(scores: FilterScores) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Scores as tensors by name, and the facts beside them: names in order, criterion, damping."""
    tensors = {f"values/{name}": value for name, value in scores.values.items()}
    facts: dict[str, Any] = {"criterion": scores.criterion, "groups": list(scores.values), "interaction": None}
    if (joint := scores.interaction) is not None:
        forms = {f"interaction/{form}": getattr(joint, form) for form in _FORMS}
        tensors |= {name: form for name, form in forms.items() if form is not None}
        facts["interaction"] = {"names": list(joint.names), "readjust": joint.readjust}
    return tensors, facts


def from_tensors(tensors: dict[str, Tensor], facts: dict[str, Any]) -> FilterScores:
    """What `to_tensors` took apart."""
    joint = None
    if (known := facts["interaction"]) is not None:
        forms = {form: tensors.get(f"interaction/{form}") for form in _FORMS}
        joint = Interaction(tuple(known["names"]), readjust=known["readjust"], **forms)  # type: ignore[arg-type]
    return FilterScores({name: tensors[f"values/{name}"] for name in facts["groups"]}, facts["criterion"], joint)
