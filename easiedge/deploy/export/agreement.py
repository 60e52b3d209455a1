"""An exported file beside the artifact, on real images.

max_abs_diff = max |logits(file) - logits(artifact)|        agreement = share of the images with the same top-1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from easiedge.deploy.export.engine_format import Runner
from easiedge.errors import EquivalenceError, ModelError

MAX_ABS_DIFF, LEAST_AGREEMENT = 1e-3, 0.999


@dataclass(frozen=True)
class Agreement:
    """How far a file agrees with the artifact.

    Attributes:
        max_abs_diff: largest difference of a logit.
        agreement: share of the images with the same top-1, in [0, 1].
        accuracy: top-1 accuracy of the file on the same images.
        images: their number.
    """

    max_abs_diff: float
    agreement: float
    accuracy: float
    images: int


def logits(run: Runner, batches: Sequence[tuple[Tensor, Tensor]], name: str) -> Tensor:
    """Logits ``[images, classes]`` of a loaded file.

    Raises:
        ModelError: the engine breaks, or gives something else.
    """
    try:
        found = torch.cat([run(images).float() for images, _ in batches])
    except Exception as error:  # engines have errors of their own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{name} breaks on the run's images: {first}") from error
    if found.ndim != 2 or len(found) != sum(len(labels) for _, labels in batches):
        raise ModelError(f"{name} gives {list(found.shape)} instead of [images, classes]")
    return found


def compare(found: Tensor, wanted: Tensor, labels: Tensor) -> Agreement:
    """Compare logits ``[images, classes]``; NaN counts as infinitely far."""
    difference = float((found.double() - wanted.double()).abs().nan_to_num(float("inf"), float("inf")).max())
    same = float((found.argmax(1) == wanted.argmax(1)).double().mean())
    return Agreement(difference, same, float((found.argmax(1) == labels).double().mean()), len(labels))


def refuse_disagreement(found: Agreement, name: str) -> None:
    """Raise unless a float file computes what the artifact does.

    Raises:
        EquivalenceError: it does not.
    """
    if not (found.max_abs_diff <= MAX_ABS_DIFF and found.agreement >= LEAST_AGREEMENT):
        raise EquivalenceError(
            f"{name} does not compute what the artifact does: logits differ by up to {found.max_abs_diff:.2g} (at most {MAX_ABS_DIFF:g}), "
            f"top-1 agrees on {found.agreement:.2%} of {found.images} images (at least {LEAST_AGREEMENT:.1%}); the file was not kept"
        )


def refuse_not_finite(found: Tensor, name: str) -> None:
    """Raise where a logit of ``[images, classes]`` is infinite or no number.

    Raises:
        EquivalenceError: one is.
    """
    bad = int((~found.isfinite().all(1)).sum())
    if bad:
        raise EquivalenceError(
            f"{name} does not compute what the artifact does: its logits are not finite on {bad} of {len(found)} images; the file was not kept"
        )
