"""How far a step's price falls with what it pays: losses per cost, per a power of the cost, or alone.

    price = loss / paid^r        r = 0 ranks by the scores alone, 1 by the loss per cost

With losses that add up r = 1 is the rule of the knapsack. Where they do more than that, since each is an expansion in the network that the
removals before have left, it takes too many cheap units where few dear ones pay the same, and a larger r can lose less in the end
(experiments/peers).  Source: Lin & Bilmes, *Multi-document Summarization via Budgeted Maximization of Submodular Functions*, NAACL 2010.
"""

from __future__ import annotations

import math

from easiedge.errors import EasiEdgeError
from easiedge.plain_values import is_number

NAMED = {"score": 0.0, "per_cost": 1.0}
Ranking = str | float


def check_ranking(ranking: Ranking) -> None:
    """Refuse what `exponent` does not know.

    Raises:
        EasiEdgeError: neither a name nor a finite number from 0.
    """
    known = ranking == "auto" or ranking in NAMED if isinstance(ranking, str) else is_number(ranking)
    if not known or (not isinstance(ranking, str) and not 0.0 <= ranking < math.inf):
        raise EasiEdgeError(
            f"projection.ranking={ranking} is unknown: choose auto, per_cost, score, or the power of the cost such as 2"
        )


def exponent(ranking: Ranking, are_losses: bool) -> float:
    """``r``; ``"auto"`` is 1 for scores that are losses, and 0 for others, such as norms, which only say which unit is less important than which."""
    if isinstance(ranking, str):
        return float(are_losses) if ranking == "auto" else NAMED[ranking]
    return float(ranking)
