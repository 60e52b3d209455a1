"""Quantized files run in both engines, whatever the network's shortcuts do."""

import pytest
import torch
from networks import images, network

from easiedge.deploy.export.int8 import quantize
from easiedge.deploy.export.onnx_format import Onnx
from easiedge.deploy.export.openvino_format import OpenVino
from easiedge.errors import ModelError
from easiedge.model.inference import merged

onnx = pytest.importorskip("onnx", reason="the extra easiedge[export] is not installed")
pytest.importorskip("onnxruntime", reason="the extra easiedge[export] is not installed")


@pytest.fixture
def made(tmp_path):
    """The network with a shortcut that slices and pads, in float and int8."""
    net = merged(network("Residual")).to(memory_format=torch.contiguous_format)
    Onnx().write(net, images(), tmp_path / "float.onnx", {})
    quantize(tmp_path / "float.onnx", tmp_path / "int8.onnx", images(64, seed=1))
    return tmp_path, net


def test_convolutions_are_integers_and_shortcuts_stay_float(made):
    folder, _ = made
    graph = onnx.load(folder / "int8.onnx").graph
    makers = {output: n.op_type for n in graph.node for output in n.output}
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    assert convolutions and all(makers[n.input[0]] == "DequantizeLinear" == makers[n.input[1]] for n in convolutions)
    pads = [n for n in graph.node if n.op_type == "Pad"]
    assert pads and all(makers[n.input[0]] == "Slice" for n in pads)


def near(run, net):
    x = images(64, seed=1)
    with torch.no_grad():
        wanted = net(x)
    return float((run(x) - wanted).abs().max()) < 0.1 * float(wanted.abs().max())


def test_onnx_runtime_runs_it_near_the_float_network(made):
    folder, net = made
    assert near(Onnx().runner(folder / "int8.onnx", 1), net)


def test_openvino_runs_it_near_the_float_network(made):
    pytest.importorskip("openvino", reason="the extra easiedge[openvino] is not installed")
    folder, net = made
    OpenVino().convert(folder / "int8.onnx", folder / "int8.xml", {})
    assert near(OpenVino().runner(folder / "int8.xml", 1), net)


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"none")
    with pytest.raises(ModelError, match="cannot be quantized"):
        quantize(tmp_path / "x.onnx", tmp_path / "y.onnx", images())
    assert not (tmp_path / "y.onnx").exists()
