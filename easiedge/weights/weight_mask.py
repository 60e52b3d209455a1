"""Which weights stay: the value that criteria hand to training and storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from easiedge.errors import EasiEdgeError
from easiedge.weights.layers import weight_of


@dataclass(frozen=True, eq=False)
class WeightMask:
    """Which weights stay.

    Attributes:
        keep: bool, on the CPU, in the shape of the weight of each layer; True for a weight that stays.
    """

    keep: Mapping[str, Tensor]

    @classmethod
    def full(cls, layers: Mapping[str, nn.Module]) -> WeightMask:
        """The mask that keeps everything."""
        return cls({name: torch.ones(weight_of(m).shape, dtype=torch.bool) for name, m in layers.items()})

    @classmethod
    def of_zeros(cls, layers: Mapping[str, nn.Module]) -> WeightMask:
        """The mask that keeps what is not zero."""
        return cls({name: (weight_of(m).detach() != 0).cpu() for name, m in layers.items()})

    def check(self, network: nn.Module) -> None:
        """Raise unless every layer is there and its weight has the mask's shape.

        Raises:
            EasiEdgeError: names the layer.
        """
        modules = dict(network.named_modules())
        for name, keep in self.keep.items():
            if name not in modules or not isinstance(getattr(modules[name], "weight", None), Tensor):
                raise EasiEdgeError(
                    f"the mask names layer {name!r}, which has no weight in this network: make the mask on it anew"
                )
            shape = weight_of(modules[name]).shape
            if keep.dtype != torch.bool or keep.shape != shape:
                raise EasiEdgeError(
                    f"the mask of layer {name!r} must be bool of shape {list(shape)}, not {keep.dtype} of shape {list(keep.shape)}"
                )

    def kept(self) -> dict[str, int]:
        """Number of weights that stay in each layer."""
        return {name: int(keep.sum()) for name, keep in self.keep.items()}

    def total(self) -> int:
        """Number of weights of all layers."""
        return sum(keep.numel() for keep in self.keep.values())

    def share_removed(self) -> float:
        """Share of all weights of the mask's layers that go."""
        return 1.0 - sum(self.kept().values()) / max(self.total(), 1)

    def within(self, other: WeightMask) -> WeightMask:
        """What stays in both; a layer that only one of them has is as that one says."""
        both = {n: k & other.keep[n] if n in other.keep else k for n, k in self.keep.items()}
        return WeightMask({**other.keep, **both})
