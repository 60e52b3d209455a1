"""Freed memory that stays with the process: fewer page faults within the context, given back at its end."""

from __future__ import annotations

import platform
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from easiedge import kept_memory as module
from easiedge.errors import NotFiniteError
from easiedge.kept_memory import kept_memory
from easiedge.model.filter_groups import find_groups
from easiedge.scoring.score import score
from easiedge.surgery.select import select
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.unit import Budget

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
BYTES = 64 << 20
PAGES = BYTES // resource.getpagesize()


def fill() -> None:
    """Take a large block, write to all of it, free it, ten times: the allocator needs some places before it takes one again, by what lies between."""
    for _ in range(10):
        torch.ones(BYTES, dtype=torch.uint8)


def faults(work: Callable[[], None]) -> int:
    """Page faults of ``work``."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Bytes of the process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


@GLIBC
def test_freed_blocks_are_taken_again():
    with kept_memory():
        fill()
        assert faults(fill) < PAGES


@GLIBC
def test_all_is_given_back_at_the_end():
    with kept_memory(), kept_memory():
        fill()
        within = resident()
    assert resident() < within - BYTES // 2
    assert faults(fill) > 10 * PAGES / 1000  # taken anew, in huge pages at the most


@GLIBC
def test_the_outermost_counts_and_errors_end_it():
    with pytest.raises(RuntimeError), kept_memory():  # noqa: PT012
        with kept_memory():
            pass
        fill()
        assert faults(fill) < PAGES
        raise RuntimeError
    assert module._within == 0


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(module, "_glibc", lambda: None)
    with kept_memory():
        assert module._within == 0


def test_training_keeps_its_memory(monkeypatch):
    seen = []
    network = torch.nn.Linear(2, 2)
    network.register_forward_hook(lambda *_: seen.append(module._within))
    batches = [(torch.randn(4, 2), torch.zeros(4, dtype=torch.long))]
    monkeypatch.setattr(module, "_glibc", lambda: Silent())
    fit(network, batches, None, Recipe(epochs=1, lr=0.1), progress=False, best=False)
    assert seen[-1] == 1 and module._within == 0
    with pytest.raises(NotFiniteError):
        fit(network, [(torch.full((4, 2), torch.nan), batches[0][1])], None, Recipe(epochs=1), progress=False)
    assert module._within == 0


def test_choosing_keeps_its_memory(monkeypatch):
    seen = []
    network = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    groups = find_groups(network, x)

    def scorer(*given, **options):
        seen.append(module._within)
        return score(*given, **options)

    monkeypatch.setattr(module, "_glibc", lambda: Silent())
    select(network, groups, [x], budget=Budget(filters_removed=0.5), chunk=0.5, scorer=scorer)
    assert set(seen) == {1} and module._within == 0


class Silent:
    """A C library that does nothing."""

    def mallopt(self, name: int, value: int) -> None:
        """Nothing."""

    def malloc_trim(self, pad: int) -> None:
        """Nothing."""
