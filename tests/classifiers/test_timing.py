"""Times of jobs that take turns: none is timed cold, and none always comes first."""

from types import SimpleNamespace

import pytest
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from easiedge.classifiers import study, timing
from easiedge.classifiers.request import ClassifiersRequest
from easiedge.classifiers.timing import ROUNDS, SECONDS, seconds_by_turns
from easiedge.data.digits import Digits


def test_rounds_go_forwards_and_backwards():
    now, order = [0.0], []

    def job(name, seconds):
        order.append(name)
        now[0] += seconds

    jobs = {name: lambda n=name, s=s: job(n, s) for name, s in (("a", 1.0), ("b", 2.0), ("c", 4.0))}
    found = seconds_by_turns(jobs, rounds=3, clock=lambda: now[0])
    assert "".join(order) == "abccbaabc"
    assert found == [{"a": 1.0, "b": 2.0, "c": 4.0}] * 3


@pytest.mark.parametrize(("seconds", "rounds"), [(2 * SECONDS, 1), (0.7 * SECONDS, 2), (0.1 * SECONDS, ROUNDS)])
def test_slow_jobs_get_fewer_rounds_and_one_at_least(seconds, rounds):
    now = [0.0]

    def job():
        now[0] += seconds

    assert seconds_by_turns({"a": job}, clock=lambda: now[0]) == [{"a": pytest.approx(seconds)}] * rounds


def test_the_network_is_no_slower_for_being_first(monkeypatch):
    """A clock on which the first pass of all takes a hundred seconds, each later pass three, and a prediction one."""
    now, passes, timed = [0.0], [0], study.seconds_by_turns

    def passing(work):
        def slow(*given):
            passes[0] += 1
            now[0] += 100.0 if passes[0] == 1 else 3.0
            return work(*given)

        return slow

    def predicting(pipeline, x, work=Pipeline.predict):
        now[0] += 1.0
        return work(pipeline, x)

    monkeypatch.setattr(study, "accuracy", passing(study.accuracy))
    monkeypatch.setattr(study, "deep_features", passing(study.deep_features))
    monkeypatch.setattr(Pipeline, "predict", predicting)
    monkeypatch.setattr(study, "seconds_by_turns", lambda jobs: timed(jobs, clock=lambda: now[0]))
    data = Digits()
    data.setup()
    data.train, data.val, data.test = (part.take(torch.arange(60)) for part in (data.train, data.val, data.test))
    network = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 10))
    network(next(iter(data.val_dataloader()))[0])
    parts = SimpleNamespace(network=network, data=data, seed=0, names=SimpleNamespace(model="m", data="d"))
    rows = study.classifiers_on(parts, ClassifiersRequest(("knn", "svm_hinge"), None)).rows
    assert [row.name for row in rows] == ["network", "knn", "svm_hinge"]
    assert [row.seconds for row in rows] == [3.0, 4.0, 4.0]
    assert passes[0] == 4 + 2 * timing.ROUNDS
