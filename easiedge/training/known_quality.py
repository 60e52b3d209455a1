"""Accuracy and loss that are measured once: the same network on the same images is looked up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from easiedge.model.digest import UndigestibleError, circumstances, digest
from easiedge.store import Store
from easiedge.training.batches import content_of
from easiedge.training.evaluate import accuracy_and_loss
from easiedge.training.precision import Precision

Quality = tuple[float, float]  # accuracy in [0, 1], mean cross entropy in nats


class KnownQuality:
    """`accuracy_and_loss`, looked up where the same network has met the same images before, in this job or another of the sweep.

    A network with hooks, such as one under a mask, or batches that cannot be told from others are measured each time.

    Args:
        store: shared by the jobs of a sweep; None remembers for this object alone.

    Attributes:
        measured: how often that was needed.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store, self.measured = store, 0
        self._known: dict[str, Quality] = {}

    def __call__(self, network: nn.Module, batches: Iterable[Any], arithmetic: Precision | None = None) -> Quality:
        """Top-1 accuracy and mean cross entropy over all batches (inputs, targets), in that arithmetic or in float32."""
        key = _key(network, batches, arithmetic)
        found = self._found(key)
        if found is None:
            self.measured += 1
            found = accuracy_and_loss(network, batches, arithmetic)
            if key is not None:
                self._known[key] = found
                if self.store is not None:
                    self.store.put(key, {}, {"accuracy": found[0], "loss": found[1]})
        return found

    def _found(self, key: str | None) -> Quality | None:
        if key is None:
            return None
        if key in self._known:
            return self._known[key]
        entry = self.store.get(key) if self.store is not None else None
        return None if entry is None else (entry[1]["accuracy"], entry[1]["loss"])


def _key(network: nn.Module, batches: Iterable[Any], arithmetic: Precision | None) -> str | None:
    if any(m._forward_hooks or m._forward_pre_hooks for m in network.modules()):
        return None
    how = () if arithmetic is None else (arithmetic.precision, arithmetic.channels_last)
    try:
        return digest("quality", *how, circumstances(network), network, content_of(batches))
    except UndigestibleError:
        return None
