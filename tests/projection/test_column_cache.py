"""Columns from the cache are the columns of the form, in bounded memory; the greedy order does not depend on the storage."""

import numpy as np
import pytest
import torch

from easiedge.projection.column_cache import ColumnCache
from easiedge.projection.joint_greedy import JointOrder
from easiedge.unit import Interaction

UNITS = 60
ROWS = torch.randn(25, UNITS, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.2, 2, UNITS)
STARTS = np.array([0, 20, 45, 60])


def low_rank():
    return Interaction(("a",), torch.linspace(0, 0.3, UNITS).double(), rows=ROWS)


def matrix():
    return Interaction(("a",), torch.linspace(0, 0.3, UNITS).double(), fisher=ROWS.T @ ROWS)


@pytest.mark.parametrize("memory", [0, 4 * UNITS * 20, 1 << 20])
def test_columns_are_right_and_memory_is_bounded(memory):
    cache, generator = ColumnCache(low_rank(), ahead=5, memory=memory), np.random.default_rng(0)
    F, increase = (ROWS.T @ ROWS).numpy(), generator.random(UNITS)
    increase[::7] = np.inf  # gone already
    for unit in generator.integers(0, UNITS, 200):
        assert np.allclose(cache.column(int(unit), increase), F[unit], atol=1e-4)
        assert len(cache.kept) <= min(UNITS, max(10, memory // (4 * UNITS)))
        if generator.random() < 0.3:
            cache.drop(int(unit))
            assert int(unit) not in cache.kept


def test_greedy_order_is_the_same_with_either_storage_and_equals_recomputing_everything():
    a, b = JointOrder(low_rank(), STARTS), JointOrder(matrix(), STARTS)
    a._columns = ColumnCache(low_rank(), ahead=3, memory=0)
    F, g = (ROWS.T @ ROWS).double().numpy(), np.linspace(0, 0.3, UNITS)
    gone = np.zeros(UNITS)
    for step in range(45):
        group = step % 3
        first, second = int(a.remove(group, 1)[0]), int(b.remove(group, 1)[0])
        increase = 0.5 * np.diag(F) + F @ gone - g
        increase[gone > 0] = np.inf
        lo, hi = STARTS[group], STARTS[group + 1]
        assert first == second == lo + int(np.argmin(increase[lo:hi]))
        gone[first] = 1
    unit = int(np.flatnonzero(gone)[3])
    a.restore(unit, int(np.searchsorted(STARTS, unit, side="right") - 1))
    gone[unit] = 0
    assert np.allclose(a.increase[gone == 0], (0.5 * np.diag(F) + F @ gone - g)[gone == 0], atol=1e-3)
