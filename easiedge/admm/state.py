"""The state of ADMM between iterations, and its form on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from easiedge.errors import TrainingError
from easiedge.unit import FilterMask

Record = Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class ADMMState:
    """Where ADMM stands; a new value after every Z- and U-step, unchanged through the W-step.

    Attributes:
        Z: the auxiliary weights by parameter name, zero on removed rows; changes in the Z-step.
        U: the scaled dual by parameter name; changes in the U-step, and with rho so that rho * U stays.
        rho: the penalty's strength.
        mask: the units that Z keeps.
        iteration: finished iterations.
        history: one record per finished iteration: ``primal_residual``, ``dual_residual``, ``rho``, ``flipped``,
            ``masked_accuracy``.
    """

    Z: Mapping[str, Tensor] = field(repr=False)
    U: Mapping[str, Tensor] = field(repr=False)
    rho: float
    mask: FilterMask = field(repr=False)
    iteration: int = 0
    history: tuple[Record, ...] = field(default=(), repr=False)

    def to_dict(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Contiguous CPU tensors under the keys ``Z/name``, ``U/name``, ``mask/group``, and metadata that JSON can hold."""
        parts = {"Z": self.Z, "U": self.U, "mask": self.mask.keep}
        tensors = {
            f"{part}/{key}": t.detach().cpu().contiguous() for part, named in parts.items() for key, t in named.items()
        }
        return tensors, {
            "rho": self.rho,
            "iteration": self.iteration,
            "history": [dict(record) for record in self.history],
        }

    @classmethod
    def from_dict(cls, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> ADMMState:
        """The state that `to_dict` wrote."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}

        history = tuple(dict(record) for record in metadata["history"])
        return cls(
            part("Z/"),
            part("U/"),
            float(metadata["rho"]),
            FilterMask(part("mask/")),
            int(metadata["iteration"]),
            history,
        )

    def like(self, W: Mapping[str, Tensor]) -> ADMMState:
        """A copy on the devices, in the dtypes and memory layouts of the parameters ``W``.

        Raises:
            TrainingError: the state was saved from another network.
        """
        return replace(self, Z=_placed(self.Z, W), U=_placed(self.U, W))


def _placed(named: Mapping[str, Tensor], W: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name, value in named.items():
        if name not in W or W[name].shape != value.shape:
            raise TrainingError(
                f"the saved ADMM state holds {name!r} {list(value.shape)}, which this network does not: resume with the network it was saved from"
            )
    return {name: torch.empty_like(W[name], requires_grad=False).copy_(value) for name, value in named.items()}
