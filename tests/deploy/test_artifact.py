"""Artifacts: exact after a round trip, harmless whatever is in them, whole or not there."""

import errno
import json
import os

import pytest
import torch
from networks import NETWORKS, images, network, random_mask

from easiedge.atomic import write_atomically
from easiedge.deploy.artifact import load, save
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups
from easiedge.surgery.shrink import shrink


@pytest.fixture
def saved(tmp_path):
    model, x = network("Residual"), images()
    groups = find_groups(model, x)
    compact = shrink(model, groups, random_mask(groups, 0.4), x)
    save(compact, tmp_path)
    return tmp_path, compact


@pytest.mark.parametrize("name", NETWORKS)
def test_a_round_trip_is_exact_and_the_result_trains(name, tmp_path):
    model, x = network(name), images()
    groups = find_groups(model, x)
    compact = shrink(model, groups, random_mask(groups, 0.5), x)
    save(compact, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again(x), compact(x))
    again.train()(x).sum().backward()
    assert all(p.grad is not None for p in again.parameters())
    assert not again.eval().training


def test_dense_networks_save_under_their_own_names(tmp_path):
    model = network("Plain")
    save(model, tmp_path)
    assert set(load(tmp_path).state_dict()) == set(model.state_dict())


def tamper(folder, change):
    path = folder / "architecture.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def first(description, op):
    return next(n for n in description["nodes"] if n["op"] == op)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema=99), "schema 99"),
        (lambda d: first(d, "call_function").update(target="os.system"), "not allowed"),
        (
            lambda d: first(d, "call_function").update(target="getattr", args={"tuple": ["x", "__class__"]}),
            "not allowed",
        ),
        (lambda d: first(d, "call_module").update(target="nowhere"), "does not hold"),
        (lambda d: next(iter(d["layers"].values())).update({"class": "Unpickler"}), "not allowed"),
        (lambda d: d["layers"].update({"a'];import os;['": next(iter(d["layers"].values()))}), "not a name"),
        (lambda d: first(d, "call_function").update(name="x; import os"), "not a name"),
        (lambda d: first(d, "call_function")["kwargs"]["dict"].update({"a=1); import os; (": 1}), "not a name"),
        (lambda d: first(d, "placeholder").update(target="x): import os"), "not a name"),
        (lambda d: d.pop("nodes"), "malformed"),
        (lambda d: next(iter(d["layers"].values()))["arguments"].update(out_channels=17), "do not fit"),
    ],
)
def test_a_changed_artifact_is_refused_and_runs_nothing(saved, change, message):
    folder, _ = saved
    tamper(folder, change)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_missing_and_broken_files_are_named(saved, tmp_path):
    folder, _ = saved
    with pytest.raises(EasiEdgeError, match=r"architecture.json is missing"):
        load(tmp_path / "nowhere")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be read"):
        load(folder)


def test_layers_that_an_artifact_cannot_hold_are_named(tmp_path):
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.memory = torch.nn.GRU(2, 3)

        def forward(self, x):
            return self.memory(x)[0]

    with pytest.raises(ModelError, match="'memory' is a GRU"):
        save(Recurrent(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_earlier_file_intact(tmp_path, monkeypatch):
    target = tmp_path / "metrics.json"
    write_atomically(target, "earlier")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EasiEdgeError, match="No space left on device"):
        write_atomically(target, "later")
    assert target.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(EasiEdgeError, match="cannot write"):
        write_atomically(tmp_path / "file" / "inside", "x")
