"""Sparse storage: files that come back whole, the bytes they take, and networks that compute with them."""

import copy
import json

import pytest
import torch
from networks import Depthwise, Plain, randomise_norms
from safetensors.torch import save_file
from torch import nn

from easiedge.errors import EasiEdgeError, ModelError
from easiedge.weights.choice import lowest_removed
from easiedge.weights.layers import weight_layers
from easiedge.weights.magnitude import weight_magnitude
from easiedge.weights.masked_weights import make_permanent, mask_weights
from easiedge.weights.sparse_file import load_sparse, save_sparse
from easiedge.weights.sparse_layout import array_bytes, to_dense, to_sparse
from easiedge.weights.sparse_network import sparse_network
from easiedge.weights.weight_mask import WeightMask

LAYERS = ["conv1", "conv2", "fc1", "fc2"]


def pruned(ratio=0.7):
    net = randomise_norms(Plain(a=12, b=16, hidden=40)).eval()
    mask_weights(net, WeightMask(lowest_removed(weight_magnitude(weight_layers(net)), ratio)))
    return make_permanent(net)


@pytest.mark.parametrize("layout", ["dense", "coo", "csr"])
def test_what_is_written_is_read(tmp_path, layout):
    net = pruned()
    size = save_sparse(net, tmp_path / "w.safetensors", layout, LAYERS)
    state = load_sparse(tmp_path / "w.safetensors")
    assert size == (tmp_path / "w.safetensors").stat().st_size
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[n], t) and state[n].dtype == t.dtype for n, t in net.state_dict().items())
    copy.deepcopy(net).load_state_dict(state)


@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (300, 5), (4, 70_000)])
def test_the_bytes_are_those_of_the_formula(layout, shape):
    matrix = torch.randn(shape) * (torch.rand(shape) < 0.3)
    found = to_sparse(matrix, layout)
    nonzeros = int((matrix != 0).sum())
    width = lambda highest: 1 if highest < 2**8 else 2 if highest < 2**16 else 4
    other = nonzeros * width(shape[0] - 1) if layout == "coo" else (shape[0] + 1) * width(nonzeros)
    assert array_bytes(found) == nonzeros * (4 + width(shape[1] - 1)) + other
    assert torch.equal(to_dense(found, layout, shape), matrix)
    assert array_bytes(to_sparse(matrix, layout, torch.int64)) == 12 * nonzeros + 8 * (
        nonzeros if layout == "coo" else shape[0] + 1
    )


def test_sparse_is_smaller_only_with_enough_zeros(tmp_path):
    few, many = pruned(0.1), pruned(0.95)
    sizes = {
        n: [save_sparse(net, tmp_path / "w", layout, LAYERS) for layout in ("dense", "coo", "csr")]
        for n, net in (("few", few), ("many", many))
    }
    assert min(sizes["few"][1:]) > sizes["few"][0] and max(sizes["many"][1:]) < 0.4 * sizes["many"][0]


def test_layers_that_cannot_be_stored_sparsely_are_refused(tmp_path):
    net = pruned()
    with pytest.raises(ModelError, match=r"'bn1' \(BatchNorm2d\) has no weight matrix.*conv1, conv2, fc1, fc2"):
        save_sparse(net, tmp_path / "w", "csr", ["conv1", "bn1"])
    with pytest.raises(ModelError, match="'nothing' has no weight matrix"):
        save_sparse(net, tmp_path / "w", "coo", ["nothing"])
    whole = nn.Sequential(nn.Linear(3, 3))
    whole[0].weight = nn.Parameter(torch.ones(3, 3, dtype=torch.int8), requires_grad=False)
    with pytest.raises(ModelError, match=r"int8.*before it is quantized"):
        save_sparse(whole, tmp_path / "w", "csr", ["0"])
    with pytest.raises(EasiEdgeError, match="choose one of coo, csr"):
        save_sparse(net, tmp_path / "w", "ellpack", LAYERS)
    with pytest.raises(EasiEdgeError, match="do not fit"):
        to_sparse(torch.ones(2, 300), "csr", torch.uint8)
    with pytest.raises(ModelError, match="make them permanent"):
        save_sparse(mask_weights(net, WeightMask.full(weight_layers(net))), tmp_path / "w")
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"a.weight/columns": torch.tensor([9], dtype=torch.uint8)}, "do not fit its shape"),
        ({"a.weight/starts": torch.tensor([0, 2, 1], dtype=torch.uint8)}, "do not add up"),
        ({"a.weight/starts": torch.tensor([0.0, 1.0, 1.0])}, "no whole numbers"),
        ({"a.weight/columns": None}, "lacks"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, says):
    arrays = {"a.weight/values": torch.ones(1), "a.weight/columns": torch.tensor([1], dtype=torch.uint8), "a.weight/starts": torch.tensor([0, 1, 1], dtype=torch.uint8)}  # fmt: skip
    about = {"easiedge_sparse": json.dumps({"schema": 1, "layout": "csr", "weights": {"a.weight": [2, 3]}})}
    save_file(arrays, tmp_path / "w", about)
    assert load_sparse(tmp_path / "w")["a.weight"].tolist() == [[0, 1, 0], [0, 0, 0]]
    save_file({n: t for n, t in (arrays | change).items() if t is not None}, tmp_path / "w", about)
    with pytest.raises(ModelError, match=says):
        load_sparse(tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"x" * 64])
def test_what_is_no_such_file_is_named(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ModelError, match="no sparsely stored network"):
        load_sparse(tmp_path / "w")
    save_file({"a.weight/values": torch.ones(1)}, tmp_path / "stripped")
    with pytest.raises(ModelError, match=r"no sparsely stored network .its metadata are gone"):
        load_sparse(tmp_path / "stripped")
    save_file({"a": torch.ones(1)}, tmp_path / "other", {"easiedge_sparse": ""})
    with pytest.raises(ModelError, match="no sparsely stored network"):
        load_sparse(tmp_path / "other")


def test_plain_tensors_are_read_as_they_are(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "plain")
    assert load_sparse(tmp_path / "plain") == {"a": torch.ones(1)}


def test_a_sparse_network_computes_the_same():
    net, x = pruned(), torch.randn(5, 2, 8, 8)
    net.size = 16 * 4 * 4
    sparse = sparse_network(net, LAYERS)
    assert sparse.fc1.weight.layout is torch.sparse_csr and sparse.conv2.weight.layout is torch.sparse_csr
    with torch.inference_mode():
        assert torch.allclose(sparse(x), net(x), atol=1e-5)
        assert torch.allclose(sparse(x[:1]), net(x[:1]), atol=1e-5)


def test_strides_dilations_and_paddings_of_sparse_convolutions():
    net = nn.Sequential(nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))).eval()
    x = torch.randn(2, 3, 9, 7)
    with torch.inference_mode():
        assert torch.allclose(sparse_network(net, ["0"])(x), net(x), atol=1e-6)


def test_grouped_convolutions_are_stored_but_do_not_run_sparsely(tmp_path):
    net = Depthwise()
    grouped = next(n for n, m in weight_layers(net).items() if getattr(m, "groups", 1) > 1)
    save_sparse(net, tmp_path / "w", "csr", [grouped])
    assert torch.equal(load_sparse(tmp_path / "w")[f"{grouped}.weight"], net.get_submodule(grouped).weight)
    with pytest.raises(ModelError, match="cannot run sparsely"):
        sparse_network(net, [grouped])
