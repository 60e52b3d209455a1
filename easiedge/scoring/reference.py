"""What a criterion holds the network against when the network is no longer the dense one.

The exact information gain is held against the tutor.  A Taylor expansion at a network that has moved away from the tutor has a first-order
term,

    IG(S) ~ 0.5 * 1_S' F 1_S - g' 1_S        g = mean J' (p - p_tutor),

whose slope at the gates 1 says little about the gates 0: whatever unit promises to mend an error by a little less of it is removed whole.
Against the network itself ``g`` is zero, and what is left, the loss by the Fisher form, chooses as well or better nearly everywhere, and far
better in ADMM (experiments/first_order); so that is what is used, at one backward pass less.  The design (method.md section 3) keeps ``g``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from easiedge.scoring.batches import Tutor
from easiedge.scoring.score import accepts

EXACT = "information_gain"


def held_against(criterion: str, tutor: Callable[[], Tutor], first_order: bool = False) -> dict[str, Any]:
    """The option ``tutor`` of a criterion that needs it; with ``first_order`` of every one that takes it."""
    return {"tutor": tutor()} if criterion == EXACT or (first_order and accepts(criterion, "tutor")) else {}
