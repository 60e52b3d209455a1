"""Cores, memory, the machine's peak, and the layers."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

import easiedge
from easiedge.deploy.artifact import load, save
from easiedge.deploy.bench import cores, memory_probe, peak
from easiedge.deploy.bench.cores import check_threads, pinned
from easiedge.deploy.bench.engines import ENGINES, chosen_engines
from easiedge.deploy.bench.layers import LayerTime, layer_times
from easiedge.deploy.bench.memory import TINY, measured_memory
from easiedge.deploy.bench.peak import Peak, measured_peak
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.lenet import lenet


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin threads")
def test_every_thread_is_kept_on_the_first_cores_and_let_go_again():
    before = os.sched_getaffinity(0)
    with pinned(1) as chosen:
        assert len(chosen) == 1 and os.sched_getaffinity(0) == {*chosen} <= before
        assert all(os.sched_getaffinity(int(t.name)) == {*chosen} for t in Path("/proc/self/task").iterdir())
    assert os.sched_getaffinity(0) == before


def test_without_pinning_the_figures_say_so(monkeypatch):
    monkeypatch.setattr(cores, "usable_cores", lambda: ())
    with pinned(1) as chosen:
        assert chosen == ()


@pytest.mark.parametrize("threads", [0, -1, 10_000])
def test_threads_that_there_are_not(threads):
    with pytest.raises(EasiEdgeError, match="from 1 to"):
        check_threads(threads)


def test_the_peak_is_macs_over_the_least_time(monkeypatch):
    monkeypatch.setattr(peak, "_least_seconds", lambda run: (run(), 0.5)[1])
    found = measured_peak(1)
    assert found.gmacs_per_s == pytest.approx(
        max(max(peak.SIZES) ** 3, *(9 * c**2 * size**2 for c, size in peak.CONVOLUTIONS)) / 0.5 / 1e9
    )
    assert Peak(50.0).share(5e7, 2.0) == pytest.approx(0.5)  # 25 of 50 billion a second


@pytest.fixture
def artifact(tmp_path):
    """16 MB of weights."""
    save(nn.Sequential(nn.Flatten(), nn.Linear(1024, 4000), nn.ReLU(), nn.Linear(4000, 2)).eval(), tmp_path / "network")
    return tmp_path / "network"


@pytest.fixture
def tiny(tmp_path):
    save(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)).eval(), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_peak_memory_is_that_of_the_network_and_grows_with_the_batch(artifact, tiny):
    one, many = (measured_memory("torch", artifact, (batch, 1, 32, 32), 1, tiny) for batch in (1, 1024))
    nothing = measured_memory("torch", tiny, TINY, 1, tiny)
    assert one.first_image_ms > 0 and one.process_mb > one.peak_mb
    assert nothing.peak_mb < 5  # the engine itself is not counted
    assert 15 < one.peak_mb < 60
    assert many.peak_mb - one.peak_mb > 10  # 1,024 x 4,000 activations are 16 MB


def test_where_the_high_water_mark_cannot_be_cleared_there_is_no_figure(artifact, tiny, monkeypatch):
    monkeypatch.setattr(memory_probe, "CLEAR", artifact / "nowhere" / "clear")
    assert memory_probe.probe("torch", str(artifact), [1, 1, 32, 32], 1, str(tiny)).peak_mb is None


def test_a_process_that_breaks_is_told(tmp_path, tiny):
    with pytest.raises(ModelError, match="broke in a process of its own"):
        measured_memory("torch", tmp_path / "nothing", (1, 1, 8, 8), 1, tiny)


def test_engines_that_are_not_there(monkeypatch):
    def absent():
        raise EasiEdgeError("pip install 'easiedge[openvino]'")

    monkeypatch.setattr(ENGINES["openvino"], "about", absent)
    found, missing = chosen_engines(None)
    assert "openvino" not in [e.name for e in found] and "easiedge[openvino]" in missing["openvino"]
    with pytest.raises(EasiEdgeError, match="openvino"):
        chosen_engines(["torch", "openvino"])
    with pytest.raises(EasiEdgeError, match="choose among torch, torch_compile, onnxruntime, openvino"):
        chosen_engines(["tensorrt"])


def test_without_a_compiler_torch_compile_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EasiEdgeError, match="C\\+\\+ compiler"):
        ENGINES["torch_compile"].about()


def test_lost_is_what_the_macs_did_not_promise():
    row = LayerTime("conv", 4.0, 3.0, 100, 25, 0.5, 0.2)
    assert row.lost_ms == pytest.approx(3.0 - 1.0) and row.as_json()["lost_ms"] == row.lost_ms
    assert LayerTime("gone", 4.0, 0.0, 100, 0, 0.5, 0.0).lost_ms == 0.0


def test_layers_of_both_networks_with_their_macs(tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra easiedge[export] is not installed")
    pytest.importorskip("onnxscript", reason="the extra easiedge[export] is not installed")
    model, x = lenet(image_size=8).eval(), torch.randn(2, 1, 8, 8)
    groups = easiedge.find_groups(model, x)
    scores = easiedge.score(model, groups, [(x, torch.tensor([0, 1]))], criterion="l1_magnitude")
    mask = easiedge.project(
        scores, groups, budget=easiedge.Budget(filters_removed=0.5), model=model, example_inputs=x, scope="layerwise"
    )
    for name, network in (("dense", model), ("pruned", easiedge.shrink(model, groups, mask, x))):
        save(network, tmp_path / name)
    dense, pruned = load(tmp_path / "dense"), load(tmp_path / "pruned")
    rows = layer_times(dense, pruned, x[:1], 1, Peak(50.0))
    assert [r.layer for r in rows] == ["conv1", "conv2", "fc1", "fc2"]
    kept = {n: int(k.sum()) for n, k in mask.keep.items()}
    assert rows[0].dense_macs == 20 * 9 * 64 and rows[0].pruned_macs == kept["conv1"] * 9 * 64
    assert sum(r.pruned_macs for r in rows) == easiedge.count(pruned, x)["macs"]
    assert all(r.dense_ms > 0 and r.pruned_ms > 0 for r in rows)
