"""Weights in the order in which the kernels read them."""

from __future__ import annotations

import numpy as np

from easiedge.deploy.c.program import Floats

WIDE, NARROW = 8, 4  # as in kernels/convolve.c


def blocks(outputs: int) -> list[int]:
    """Output channels of each block: eights, and a four for what four hold."""
    found = []
    while outputs > 0:
        found.append(WIDE if outputs > NARROW else NARROW)
        outputs -= found[-1]
    return found


def convolution_weights(weight: Floats, groups: int) -> Floats:
    """``[out, in, height, width]`` as groups of blocks ``[height, width, in, block]``; a last block is filled up with zeros."""
    parts = []
    for group in np.split(weight, groups):
        at = 0
        for block in blocks(len(group)):
            part = group[at : at + block].transpose(2, 3, 1, 0)
            parts.append(np.pad(part, [(0, 0)] * 3 + [(0, block - part.shape[3])]).reshape(-1))
            at += block
    return np.concatenate(parts)


def depthwise_weights(weight: Floats) -> Floats:
    """``[channels, 1, height, width]`` as ``[height, width, channels]``."""
    return weight[:, 0].transpose(1, 2, 0).reshape(-1)
