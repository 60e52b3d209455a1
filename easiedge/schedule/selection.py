"""How units are chosen and removed: criterion, projection and compensation, as one value that every schedule uses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from easiedge.memory_check import Choosing
from easiedge.model.device_latency import DeviceLatency
from easiedge.processes import same_network, told
from easiedge.projection.collapse import SHARE, CollapseGuard
from easiedge.projection.floors import Floors
from easiedge.projection.ranking import Ranking, check_ranking
from easiedge.scoring.batches import inputs_of
from easiedge.scoring.joint_information_gain import READJUST
from easiedge.scoring.score import Scorer, accepts, check_options, score
from easiedge.surgery.compensate import RIDGE, Compensation, check_fit
from easiedge.surgery.select import Progress, select
from easiedge.surgery.shrink import shrink
from easiedge.surgery.tries import Way
from easiedge.unit import Budget, FilterGroup, FilterMask


@dataclass(frozen=True)
class Selection:
    """The global pruning subproblem with all its choices made.

    Attributes:
        criterion: of `easiedge.score`, with its ``options``.
        scope: ``"global"`` or ``"layerwise"``.
        chunk: share that goes between two expansions.
        first_order: keep the term of Taylor-based criteria that a network away from the tutor has (`easiedge.scoring.reference`).
        compensation: ``"least_squares"`` or None.
        ridge, positions: of the compensation.
        interleaved: refit after each chunk too, so that the next one is chosen in a network that works, and not only at the end.
        rebase: give batch norms the statistics of the refitted network, so that training starts from what was refitted.
        ranking: of units whose costs differ, as in `easiedge.project`.
        min_units, max_ratio, round_to: floors of the projection.
        latency: milliseconds on a device, for a budget that limits them.
        clock: milliseconds of a network measured on it, if that is the machine at hand: the limit then holds as measured.
        collapse: ``"warn"``, ``"error"`` or ``"ignore"`` groups that lose more than ``collapse_share`` of their units.
        scorer: what is called in place of `easiedge.score`, such as a `SharedScores`.
    """

    criterion: str = "joint_information_gain"
    options: Mapping[str, Any] = field(default_factory=dict)
    scope: str = "global"
    chunk: float = 0.1
    first_order: bool = False
    compensation: str | None = "least_squares"
    ridge: float = RIDGE
    positions: int = 32
    interleaved: bool = True
    rebase: bool = True
    ranking: Ranking = "auto"
    min_units: int | Mapping[str, int] = 1
    max_ratio: float = 1.0
    round_to: int = 1
    latency: DeviceLatency | None = None
    clock: Callable[[nn.Module], float] | None = None
    collapse: str = "warn"
    collapse_share: float = SHARE
    scorer: Scorer = score

    def __post_init__(self) -> None:
        """Refuse an unknown criterion or option, floors or a refit that mean nothing before any work is done."""
        check_options(self.criterion, self.options)
        check_ranking(self.ranking)
        _ = self.floors, self.guard
        check_fit(self.ridge, self.positions)

    @property
    def floors(self) -> Floors:
        """How far each group may shrink."""
        return Floors(self.min_units, self.max_ratio, self.round_to)

    @property
    def guard(self) -> CollapseGuard:
        """What happens to a choice that leaves next to nothing of a group."""
        return CollapseGuard(self.collapse_share, self.collapse)

    @property
    def fits(self) -> bool:
        """Whether the network is refitted while units are chosen."""
        return self.compensation == "least_squares" and self.interleaved

    def ways(self) -> Sequence[Choosing]:
        """In which units will be chosen, for `check_memory`."""
        return [Choosing(self.criterion, self.options, self.compensation == "least_squares", self.positions)]

    def mask(
        self,
        network: nn.Module,
        groups: Sequence[FilterGroup],
        batches: Sequence[Any],
        budget: Budget,
        *,
        tutor: nn.Module | None = None,
        chunk: float | None = None,
        readjust: float | Sequence[float] | None = None,
        ranking: Ranking | None = None,
        guarded: bool = True,
        progress: Progress | None = None,
        decided: Callable[[Way], None] | None = None,
    ) -> FilterMask:
        """Which units stay within ``budget``; arguments as in `easiedge.select`, ``chunk``, ``readjust`` and ``ranking`` in place of the own.

        Where the network is refitted the own ``readjust`` is tried beside 0, and an own ``ranking`` of ``"auto"`` is the best of several;
        what is given here stands alone.
        A loop that chooses again and again turns ``guarded`` off and asks the ``guard`` itself, when it knows what stays.
        """
        options = dict(self.options)
        if accepts(self.criterion, "readjust"):
            own = options.get("readjust", READJUST if self.fits else 0.0)
            options["readjust"] = readjust if readjust is not None else (own, 0.0) if self.fits else own
        mask = select(
            network, groups, batches, budget=budget, criterion=self.criterion, scope=self.scope, chunk=chunk or self.chunk,
            compensation=self.compensation if self.fits else None, tutor=tutor, first_order=self.first_order, latency=self.latency, clock=self.clock,
            ranking=self.ranking if ranking is None else ranking, min_units=self.min_units,
            max_ratio=self.max_ratio, round_to=self.round_to, collapse=self.collapse if guarded else "ignore",
            collapse_share=self.collapse_share, ridge=self.ridge, positions=self.positions, progress=progress,
            decided=decided, scorer=self.scorer, **options,
        )  # fmt: skip
        return FilterMask(told(mask.keep))

    def decided(
        self,
        network: nn.Module,
        groups: Sequence[FilterGroup],
        batches: Sequence[Any],
        budget: Budget,
        *,
        chunk: float | None = None,
        readjust: float | None = None,
    ) -> tuple[FilterMask, Way]:
        """The mask of ``network``, and the way that chose it, for a loop that decides once (`easiedge.surgery.tries`).

        Where the network is refitted as units are chosen, ``readjust`` (the own by default) is tried beside 0; elsewhere it stands alone.
        """
        tried = (readjust, 0.0) if readjust is not None and self.fits else readjust
        kept: list[Way] = []
        mask = self.mask(
            network, groups, batches, budget, chunk=chunk, readjust=tried, guarded=False, decided=kept.append
        )
        return mask, kept[0]

    def remove(
        self, network: nn.Module, groups: Sequence[FilterGroup], mask: FilterMask, batches: Sequence[Any]
    ) -> tuple[nn.Module, fx.GraphModule]:
        """The network with refitted weights (a copy), and the same shrunk; without compensation the weights are as they were."""
        if self.compensation != "least_squares":
            return copy.deepcopy(network), shrink(network, groups, mask, inputs_of(batches[0])[:2])
        session = Compensation(network, groups, batches, ridge=self.ridge, positions=self.positions, rebase=self.rebase)
        fitted, compact = session.compensated(mask)
        same_network(fitted)
        same_network(compact)
        return fitted, compact
