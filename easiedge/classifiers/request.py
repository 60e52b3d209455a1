"""What ``easiedge classifiers`` is asked for: the configuration's section ``classifiers``, checked before any work is done."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig, ListConfig

from easiedge.classifiers.fitted import KINDS
from easiedge.errors import EasiEdgeError


@dataclass(frozen=True)
class ClassifiersRequest:
    """A checked request.

    Attributes:
        kinds: of `KINDS`.
        layer: whose input the features are; None takes the last linear layer.
    """

    kinds: tuple[str, ...]
    layer: str | None


def classifiers_request(cfg: DictConfig) -> ClassifiersRequest:
    """Check the section ``classifiers``.

    Raises:
        EasiEdgeError: the value, and what would be right.
    """
    kinds = list(cfg.kinds) if isinstance(cfg.kinds, ListConfig) else [cfg.kinds]
    if not kinds or len(set(map(str, kinds))) < len(kinds) or any(kind not in KINDS for kind in kinds):
        raise EasiEdgeError(f"classifiers.kinds={cfg.kinds} must be a list, each once, of {', '.join(KINDS)}")
    if cfg.layer is not None and not (isinstance(cfg.layer, str) and cfg.layer.strip()):
        raise EasiEdgeError(
            f"classifiers.layer={cfg.layer} must be the name of a layer, or null for the last linear one"
        )
    return ClassifiersRequest(tuple(kinds), cfg.layer)
