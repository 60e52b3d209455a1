"""Weights from files: formats, precision, and files that do not fit or cannot be read."""

import io

import pytest
import safetensors.torch
import torch
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.lenet import lenet
from easiedge.model.weights import load_weights, read_weights, transfer_weights


def model():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


def state(seed=1):
    torch.manual_seed(seed)
    return {k: torch.randn_like(v) if v.is_floating_point() else v + 3 for k, v in model().state_dict().items()}


def same(network, expected, tolerance=0.0):
    return all(
        torch.allclose(v.double(), expected[k].double(), atol=tolerance) for k, v in network.state_dict().items()
    )


@pytest.mark.parametrize("form", ["safetensors", "plain", "nested", "parallel", "parallel nested"])
def test_every_form_of_file(form, tmp_path):
    network, saved, path = model(), state(), tmp_path / f"w.{'safetensors' if form == 'safetensors' else 'pt'}"
    if form == "safetensors":
        safetensors.torch.save_file(saved, path)
    else:
        held = {f"module.{k}": v for k, v in saved.items()} if "parallel" in form else saved
        torch.save({"state_dict": held, "epoch": 3} if "nested" in form else held, path)
    load_weights(network, path)
    assert same(network, saved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(dtype, tmp_path):
    saved = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state().items()}
    safetensors.torch.save_file(saved, tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    assert {v.dtype for v in read.values()} == {torch.float32, torch.int64}
    network = model()
    load_weights(network, tmp_path / "w.safetensors")
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert same(network, saved)


def test_a_layer_called_module_keeps_its_name(tmp_path):
    saved = {"module.a": torch.zeros(1), "b": torch.ones(1)}
    torch.save(saved, tmp_path / "w.pt")
    assert read_weights(tmp_path / "w.pt").keys() == saved.keys()


def test_the_count_of_batches_may_be_missing(tmp_path):
    saved = {k: v for k, v in state().items() if not k.endswith("num_batches_tracked")}
    torch.save(saved, tmp_path / "w.pt")
    network = model()
    load_weights(network, tmp_path / "w.pt")
    assert torch.equal(network[0].weight, saved["0.weight"])


def test_missing_unknown_and_wrongly_shaped_keys_are_named_and_nothing_is_loaded(tmp_path):
    saved = state()
    del saved["0.bias"]
    saved["extra.weight"] = torch.zeros(2)
    saved["3.weight"] = torch.zeros(3, 16)
    torch.save(saved, tmp_path / "w.pt")
    network = model()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(ModelError) as caught:
        load_weights(network, tmp_path / "w.pt")
    text = str(caught.value)
    assert "missing: 0.bias" in text
    assert "unknown: extra.weight" in text
    assert "3.weight [3, 16] instead of [2, 16]" in text
    assert same(network, before)


def test_many_keys_are_counted(tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"missing: conv1\.weight, .* and \d+ more"):
        load_weights(lenet(), tmp_path / "w.pt")


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x02."])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_file_that_is_no_weights(content, suffix, tmp_path):
    (tmp_path / f"w.{suffix}").write_bytes(content)
    with pytest.raises(ModelError, match=rf"w\.{suffix} (cannot be read|does not hold)"):
        read_weights(tmp_path / f"w.{suffix}")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file(legacy, tmp_path):
    buffer = io.BytesIO()
    torch.save(state(), buffer, _use_new_zipfile_serialization=not legacy)
    for end in range(0, len(buffer.getvalue()), 97):
        (tmp_path / "w.pt").write_bytes(buffer.getvalue()[:end])
        with pytest.raises(ModelError, match=r"w\.pt"):
            read_weights(tmp_path / "w.pt")


class Code:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_file_with_code_is_refused_and_does_not_run(tmp_path, capsys):
    torch.save({"a": Code()}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path / "w.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("saved", [{}, {"a": 3}, [1, 2]])
def test_a_file_without_tensors_by_name(saved, tmp_path):
    torch.save(saved, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="does not hold tensors by name"):
        read_weights(tmp_path / "w.pt")


def test_no_such_file(tmp_path):
    with pytest.raises(ModelError, match="is not a file"):
        read_weights(tmp_path / "none.pt")


def test_all_but_the_last_layer_is_transferred(tmp_path):
    torch.manual_seed(0)
    old, new = lenet(num_classes=10, in_channels=1, image_size=8), lenet(num_classes=3, in_channels=1, image_size=8)
    head = {k: v.clone() for k, v in new.fc2.state_dict().items()}
    safetensors.torch.save_file(old.state_dict(), tmp_path / "old.safetensors")
    transfer_weights(new, tmp_path / "old.safetensors")
    for name, value in new.state_dict().items():
        wanted = head[name.removeprefix("fc2.")] if name.startswith("fc2.") else old.state_dict()[name]
        assert torch.equal(value, wanted), name


def test_another_network_is_not_transferred(tmp_path):
    safetensors.torch.save_file(
        lenet(num_classes=10, in_channels=1, image_size=28).state_dict(), tmp_path / "old.safetensors"
    )
    with pytest.raises(ModelError, match=r"transfer=.* do not fit .*wrong shape"):
        transfer_weights(lenet(num_classes=3, in_channels=1, image_size=8), tmp_path / "old.safetensors")
    with pytest.raises(ModelError, match="no last layer"):
        transfer_weights(nn.Sequential(nn.ReLU()), tmp_path / "old.safetensors")
