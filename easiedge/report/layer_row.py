"""One row of ``layers.csv``; apart from what makes the rows, so that they are read without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerRow:
    """One convolution or linear layer before and after; MACs are per image, parameters the layer's own."""

    group: str
    layer: str
    units_before: int
    units_after: int
    params_before: int
    params_after: int
    macs_before: int
    macs_after: int
