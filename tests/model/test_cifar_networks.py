"""CIFAR's VGG-16 and ResNets: sizes of the papers, the keys of the given weights, and their accuracy."""

import pytest
import torch
from safetensors import safe_open

from easiedge.data.cifar10 import CIFAR10
from easiedge.model.resnet import PadShortcut, resnet20, resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights

NETWORKS = {"vgg16": (vgg16, 14_728_266), "resnet20": (resnet20, 269_722), "resnet56": (resnet56, 853_018)}
WEIGHTS = {"vgg16": "vgg16_cifar10jpeg.safetensors", "resnet56": "resnet56_cifar10.safetensors"}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_shape_and_trace(name):
    make, params = NETWORKS[name]
    model = make().eval()
    assert sum(p.numel() for p in model.parameters()) == params
    x = torch.randn(2, 3, 32, 32)
    assert model(x).shape == (2, 10)
    assert torch.allclose(torch.fx.symbolic_trace(model)(x), model(x), atol=1e-5)
    assert make(num_classes=3, in_channels=1)(torch.randn(2, 1, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize("before", [16, 32, 3])
def test_the_shortcut_strides_and_pads_zero_channels_on_both_sides(before):
    x = torch.randn(2, before, 8, 8)
    out = PadShortcut(before, 2 * before)(x)
    front = before // 2
    assert out.shape == (2, 2 * before, 4, 4)
    assert torch.equal(out[:, front : front + before], x[:, :, 0::2, 0::2])
    assert out[:, :front].abs().sum() + out[:, front + before :].abs().sum() == 0


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_given_weights_fit_key_by_key(name, shared_data):
    path = shared_data / "weights" / WEIGHTS[name]
    model = NETWORKS[name][0]()
    load_weights(model, path)
    with safe_open(path, "pt") as file:
        state = model.state_dict()
        assert set(file.keys()) == {k for k in state if not k.endswith("num_batches_tracked")} | (
            set(file.keys()) & set(state)
        )
        assert all(torch.equal(state[k], file.get_tensor(k).to(state[k].dtype)) for k in file.keys())  # noqa: SIM118
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "accuracy", "normalisation"),
    [("vgg16", 0.882, {}), ("resnet56", 0.832, {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)})],
)
def test_the_given_weights_have_their_accuracy_on_the_jpeg_copy(name, accuracy, normalisation, shared_data):
    data = CIFAR10(str(shared_data / "cifar10_jpeg.zip"), **normalisation)
    data.setup()
    model = NETWORKS[name][0]()
    load_weights(model, shared_data / "weights" / WEIGHTS[name])
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in data.test_dataloader())
    assert abs(right / len(data.test) - accuracy) < 0.003
