"""A problem whose answers are known: f(W) = 1/2 sum a (W - b)^2 on the filters and biases of one layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from easiedge.admm import ADMMState, GatedParameter, gated_parameters
from easiedge.unit import FilterGroup, FilterMask, Member


def plain_group(layer: str, size: int, *others: tuple[str, str]) -> FilterGroup:
    """All channels of ``layer`` in order, one a unit; ``others`` are (layer, kind) that go with it."""
    index = torch.arange(size)[:, None]
    members = tuple(Member(name, "out", index) for name in (layer, *(name for name, _ in others)))
    return FilterGroup(layer, size, members, (layer,), {layer: "conv", **dict(others)})


@dataclass(frozen=True)
class Quadratic:
    """Curvature ``a`` and minimum ``b`` of each weight, and the parameters they stand for."""

    a: dict[str, Tensor]
    b: dict[str, Tensor]
    gated: dict[str, GatedParameter]

    @classmethod
    def make(cls, units: int = 6) -> Quadratic:
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(2, units, 3), nn.BatchNorm2d(units), nn.ReLU(), nn.Conv2d(units, 3, 1)
        ).double()
        W = dict(network.named_parameters())
        gated = gated_parameters(network, [plain_group("0", units, ("1", "norm"))])
        b = {name: torch.randn_like(W[name]).detach() for name in gated}
        a = {name: 0.5 + torch.rand_like(W[name]).detach() for name in gated}
        return cls(a, b, gated)

    def w_step(self, state: ADMMState) -> dict[str, Tensor]:
        """The exact minimiser of f(W) + rho/2 ||W - Z + U||^2."""
        rho = state.rho
        return {n: (self.a[n] * self.b[n] + rho * (state.Z[n] - state.U[n])) / (self.a[n] + rho) for n in self.gated}

    def optimum(self, mask: FilterMask) -> dict[str, Tensor]:
        """The minimiser of f under the mask: b on kept rows, zero on removed ones."""
        return {n: self.b[n] * p.column(p.kept(mask), self.b[n]) for n, p in self.gated.items()}
