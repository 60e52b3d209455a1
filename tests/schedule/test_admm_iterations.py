"""What ADMM measures in its iterations is the accuracy under the mask, on the smaller network, which takes less time."""

from dataclasses import replace

import pytest
from networks import network
from problem import batches, trained

import easiedge
from easiedge.admm import Stopping
from easiedge.errors import EasiEdgeError
from easiedge.model.graph import evaluating
from easiedge.schedule.admm import Admm
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.recipe import Recipe


def test_accuracy_of_an_iteration_is_that_under_its_mask(monkeypatch):
    validation = batches(4, 2)
    under_mask, params = [], []
    accuracy_of = ADMMCallback._accuracy

    def both(self, net, mask):
        with evaluating(net), easiedge.masked(net, self.groups, mask):
            right = sum(int((net(x).argmax(1) == y).sum()) for x, y in validation)
        under_mask.append(right / sum(len(y) for _, y in validation))
        return accuracy_of(self, net, mask)

    monkeypatch.setattr(ADMMCallback, "_accuracy", both)
    outcomes = []

    def kept(task):
        def validate(net):
            params.append(sum(p.numel() for p in net.parameters()))
            return task.validate(net)

        outcomes.append(Admm(iterations=2, stopping=Stopping(tolerance=0.0))(replace(task, validate=validate)))
        return outcomes[-1]

    dense = trained(network("Residual"))
    easiedge.prune(
        dense, batches(2, 1), validation, budget=easiedge.Budget(filters_removed=0.5), epochs=0, schedule=kept, progress=False,
        recipe=Recipe(lr=0.02, weight_decay=0.0, schedule="constant", warmup=0.0), calibration_images=64,
    )  # fmt: skip
    assert [record["masked_accuracy"] for record in outcomes[0].iterations] == pytest.approx(under_mask)
    assert len(params) == 2 and max(params) < sum(p.numel() for p in dense.parameters())


def test_units_are_scored_at_w_plus_u_where_that_is_asked(monkeypatch):
    apart = []
    scored = ADMMCallback._scored

    def watched(self, net):
        seen = scored(self, net)
        dual = 0.0 if self.state is None else sum(float(u.square().sum()) for u in self.state.U.values())
        moved = sum(
            float((a - b).detach().square().sum()) for a, b in zip(seen.parameters(), net.parameters(), strict=True)
        )
        apart.append((moved, dual))
        return seen

    monkeypatch.setattr(ADMMCallback, "_scored", watched)
    dense = trained(network("Residual"))
    easiedge.prune(
        dense, batches(2, 1), batches(4, 2), budget=easiedge.Budget(filters_removed=0.5), epochs=0, progress=False, calibration_images=64,
        schedule=Admm(iterations=3, dual=1.0, dual_in_scores=True, start=0.0, stopping=Stopping(tolerance=0.0)),
        recipe=Recipe(lr=0.02, weight_decay=0.0, schedule="constant", warmup=0.0),
    )  # fmt: skip
    assert len(apart) == 4 and apart[0] == apart[1] == (0.0, 0.0)  # U is zero until the first Z-step after training
    assert all(moved == pytest.approx(dual, rel=1e-3) and dual > 0 for moved, dual in apart[2:])


def test_what_is_scored_is_asked_for_by_true_or_false():
    with pytest.raises(EasiEdgeError, match="dual_in_scores"):
        Admm(dual_in_scores="yes")
