"""What the engine itself says: outputs of the exported network, times, and the table made of them."""

import sys
from collections import Counter

import numpy as np
import pytest
import torch
from networks import NETWORKS, images, network
from torch import nn

from easiedge.deploy.latency.engine import OPTIMIZED, session
from easiedge.deploy.latency.measure_table import measure_table
from easiedge.deploy.latency.profile import marked, profiled
from easiedge.deploy.latency.timing import measure_latency
from easiedge.deploy.latency.widths import layer_widths
from easiedge.deploy.onnx_export import onnx_bytes
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.filter_groups import find_groups

try:
    import onnx
    import onnxruntime  # noqa: F401
    import onnxscript  # noqa: F401
except ImportError:
    ABSENT = True
else:
    ABSENT = False
engine = pytest.mark.skipif(ABSENT, reason="the optional packages of easiedge[export] are not installed")


@engine
@pytest.mark.parametrize("name", ["Residual", "Grouped"])
def test_the_exported_network_computes_the_same(name):
    model, x = network(name), images(1)
    opened = session(onnx_bytes(model, x), threads=1)
    (found,) = opened.run(None, {opened.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@engine
def test_a_latency_says_how_it_was_measured():
    model = network("Plain").train()
    found = measure_latency(model, images(), repetitions=7, warm_up=2)
    assert 0 < found.low_ms <= found.median_ms <= found.high_ms
    assert (found.repetitions, found.warm_up, found.setting.threads) == (7, 2, 1)
    assert found.setting.engine == "onnxruntime" and found.setting.machine and found.setting.opset == 20
    assert model.training


@engine
def test_a_latency_beside_another_network_speaks_of_its_speed():
    dense, x = network("Residual"), images()
    found = measure_latency(network("Residual", seed=1), x, repetitions=16, warm_up=1, beside=dense)
    assert found.repetitions >= 16 and found.beside_ms > 0
    assert 0.4 < found.ratio < 2.5  # the same layers
    assert found.at(3.0) == 3.0 * found.ratio
    alone = measure_latency(dense, x, repetitions=3, warm_up=0)
    assert alone.beside_ms is None and alone.repetitions == 3
    with pytest.raises(EasiEdgeError, match="beside=dense"):
        alone.at(3.0)


@engine
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_is_found_in_the_engines_profile(name):
    model, x = network(name), images(1)
    widths = layer_widths(model, [], x)
    before = [p.clone() for p in model.parameters()]
    found = profiled(model, widths.layers, (x,), threads=1, repetitions=5, warm_up=1)
    assert (found.layers_ms > 0).all() and found.rest_ms >= 0 and found.total_ms > 0
    assert (found.nodes >= 1).all() and found.reference_ms > 0
    assert all(bool((a == b).all()) for a, b in zip(before, model.parameters(), strict=True))


@engine
@pytest.mark.parametrize("name", ["Residual", "Depthwise"])
def test_the_engine_runs_the_network_that_is_measured_as_the_one_that_is_deployed(name, tmp_path):
    model, x, ran = network(name), images(1), []
    for which, net in enumerate((model, marked(model, layer_widths(model, [], x).layers))):
        (tmp_path / str(which)).mkdir()
        session(onnx_bytes(net, x), 1, tmp_path / str(which)).end_profiling()
        graph = onnx.load(str(tmp_path / str(which) / OPTIMIZED)).graph
        ran.append(Counter(node.op_type for node in graph.node))
    assert ran[0] == ran[1]


@engine
def test_times_go_to_the_layer_that_takes_them():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.light = nn.Conv2d(2, 4, 1)
            self.heavy = nn.Conv2d(4, 96, 7, padding=3)
            self.light_too = nn.Conv2d(96, 2, 1)

        def forward(self, x):
            return self.light_too(torch.relu(self.heavy(self.light(x))))

    x = torch.randn(1, 2, 32, 32)
    found = profiled(Two().eval(), ("light_too", "heavy", "light"), (x,), threads=1, repetitions=9, warm_up=2)
    assert found.layers_ms.argmax() == 1 and found.layers_ms[1] > 0.5 * found.layers_ms.sum()


@engine
def test_a_table_is_made_here():
    model, x = network("Plain"), images()
    groups, told = find_groups(model, x), []
    table = measure_table(model, groups, x, networks=8, repetitions=5, warm_up=1, progress=told.append)
    assert told == list(range(1, 9)) and table.quality.networks == 8 and table.setting.threads == 1
    latency = table.network(model, groups, x)
    dense = latency.ms(latency.widths.sizes)
    assert 0.2 * table.quality.dense_ms < dense < 5 * table.quality.dense_ms
    assert table.overhead_ms >= 0 and table.factor >= 0
    assert table.quality.fastest <= 1 <= table.quality.slowest and table.quality.profiler_ms < 0.1
    for kind, surface in table.surfaces.items():
        assert len(surface.samples.ms) == 8 * table.kinds.count(kind)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_one_sentence(monkeypatch, package):
    if package == "onnxruntime" or not ABSENT:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            EasiEdgeError, match=rf"{package}, which is not installed: pip install 'easiedge\[export\]'"
        ):
            measure_latency(network("Plain"), images())


@engine
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"threads": 0}, "threads=0"), ({"threads": True}, "threads=True"), ({"repetitions": 0}, "repetitions=0"),
        ({"warm_up": -1}, "warm_up=-1"),
    ],
)  # fmt: skip
def test_wrong_counts_are_refused(wrong, says):
    with pytest.raises(EasiEdgeError, match=says):
        measure_latency(network("Plain"), images(), **wrong)
    if "networks" not in wrong:
        with pytest.raises(EasiEdgeError, match="networks=3"):
            measure_table(network("Plain"), [], images(), networks=3)


@engine
def test_a_network_that_cannot_be_exported_is_refused():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.tensor(float(x.sum().item()) * 2.0) if x.sum() > 0 else x

    with pytest.raises(ModelError, match="Odd cannot be exported to ONNX opset 20"):
        onnx_bytes(Odd(), images(1))
