"""Forward passes of large batches in parts that a processor's cache holds: the same outputs, less time.

A convolution that reads what the one before it wrote is slowed down by memory where that has left the cache meanwhile.  The part is ``CACHE`` bytes
for each thread over the bytes of the largest tensor of an image, and ``LEAST`` images at least, below which layers of many weights wait for those
(measured in ``experiments/training_speed/evaluation.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LEAST = 32
CACHE = 4 << 20  # bytes for each thread


class InParts:
    """Calls ``run`` on parts of each batch and joins its outputs; on another device than a processor, on whole batches.

    Args:
        run: from inputs ``[images, ...]`` to outputs ``[images, ...]``, image by image.

    Attributes:
        images: of a part; None until the first batch has told.
    """

    def __init__(self, run: Callable[[Tensor], Tensor]) -> None:
        self.run = run
        self.images: int | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The outputs of a batch."""
        if x.device.type != "cpu" or len(x) <= LEAST:
            return self.run(x)
        done = []
        if self.images is None:
            with _Largest() as met:
                done.append(self.run(x[:LEAST]))
            self.images = max(LEAST, CACHE * torch.get_num_threads() * LEAST // max(met.nbytes, 1))
            x = x[LEAST:]
        return torch.cat([*done, *(self.run(part) for part in x.split(self.images))])


class _Largest(TorchDispatchMode):
    """Within, the bytes of the largest tensor that an operation returns."""

    nbytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.nbytes = max(self.nbytes, *(t.nbytes for t in tree_leaves(out) if isinstance(t, Tensor)), 0)
        return out
