"""Selection with readjusted gates against the constrained minimum, solved anew for every candidate at every step."""

import pytest
import torch

from easiedge.projection.readjusted_greedy import ReadjustedOrder
from easiedge.unit import Interaction

UNITS, DAMPING = 24, 1e-2
STARTS = torch.tensor([0, 10, UNITS]).numpy()


def form(storage, seed=0):
    g = torch.Generator().manual_seed(seed)
    rows = (
        torch.randn(6 if storage == "few" else 40, UNITS, generator=g) * (0.3 + torch.rand(UNITS, generator=g))
    ).double()
    rows[:, 5] = 2 * rows[:, 4]  # either makes up for the other
    zero = torch.zeros(UNITS).double()
    if storage == "fisher":
        return Interaction(("a", "b"), zero, fisher=rows.T @ rows, readjust=DAMPING)
    return Interaction(("a", "b"), zero, rows=rows, readjust=DAMPING)


def least(matrix, own, q):
    """0.5 d'(F + lambda I)d with d_q = -1, least over the other units of the group that are left."""
    others = [i for i in own if i != q]
    d = torch.linalg.solve(matrix[others][:, others], matrix[others, q])
    return 0.5 * float(matrix[q, q] - matrix[q, others] @ d)


@pytest.mark.parametrize("storage", ["rows", "fisher", "few"])
@pytest.mark.parametrize("seed", range(3))
def test_every_step_takes_the_unit_that_its_group_makes_up_for_best(storage, seed):
    f = form(storage, seed)
    dense = f.fisher if f.rows is None else f.rows.T @ f.rows
    matrix = dense + DAMPING * dense.diagonal().mean() * torch.eye(UNITS).double()
    order, alive = ReadjustedOrder(f, STARTS), list(range(UNITS))
    for _ in range(UNITS - 3):
        own = {q: [u for u in alive if (u < 10) == (q < 10)] for q in alive}
        costs = {q: least(matrix, own[q], q) for q in alive if len(own[q]) > 1}
        for q, cost in costs.items():
            assert order.increase[q] == pytest.approx(cost, rel=1e-6)
        best = min(costs, key=costs.get)
        (gone,) = order.remove(int(best >= 10), 1)
        assert costs[int(gone)] == pytest.approx(costs[best], rel=1e-6)
        alive.remove(int(gone))


def test_units_of_other_groups_make_up_for_nothing():
    """No refit of a layer's readers scales what another layer says: an equal unit elsewhere leaves the cost as it is."""
    f = form("fisher")
    f.fisher[:10, 10:] = f.fisher[10:, :10] = 0
    order, without = ReadjustedOrder(form("fisher"), STARTS), ReadjustedOrder(f, STARTS)
    assert order.increase == pytest.approx(without.increase)
    (gone,) = order.remove(0, 1)
    assert order.increase[10:] == pytest.approx(without.increase[10:])
    assert not order.alive[gone]


def test_of_two_units_that_say_the_same_one_stays():
    """Alone, each of the two is nearly free; with one gone, the other costs what both were worth."""
    f = form("fisher")
    order = ReadjustedOrder(f, STARTS)
    alone = order.increase.copy()
    assert alone[4] < 0.2 * 0.5 * float(f.fisher[4, 4])
    while order.alive[4] and order.alive[5]:
        order.remove(0, 1)
    left = 4 if order.alive[4] else 5
    assert order.increase[left] > 3 * alone[left]


def test_duplicates_go_together_by_single_scores_and_not_by_the_joint_order():
    """Eight units in four equal pairs: half of them can go at no cost, if one of each pair stays."""
    g = torch.Generator().manual_seed(1)
    rows = torch.randn(30, 4, generator=g).double().repeat_interleave(2, dim=1) * (1 + torch.arange(8) // 2).double()
    f = Interaction(("a",), torch.zeros(8).double(), fisher=rows.T @ rows, readjust=1e-4)
    order = ReadjustedOrder(f, torch.tensor([0, 8]).numpy())
    single = order.increase.argsort()[:4]
    order.remove(0, 4)
    assert (order.alive.reshape(4, 2).sum(1) == 1).all()
    assert len({int(u) // 2 for u in single}) < 4


def test_a_network_that_says_the_same_whatever_goes():
    order = ReadjustedOrder(
        Interaction(("a",), torch.zeros(3), fisher=torch.zeros(3, 3), readjust=0.1), torch.tensor([0, 3]).numpy()
    )
    assert len(order.remove(0, 2)) == 2
