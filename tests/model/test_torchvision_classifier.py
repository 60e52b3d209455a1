"""torchvision's classifiers by name: heads, auxiliary heads, and names that do not exist."""

import urllib.error

import pytest
import torch
import torchvision
from torch import nn

from easiedge.errors import ModelError
from easiedge.model.torchvision_classifier import torchvision_classifier, with_new_head

NAMES = [
    "resnet18", "mobilenet_v2", "mobilenet_v3_small", "densenet121", "efficientnet_b0", "convnext_tiny",
    "squeezenet1_1", "mnasnet1_0", "shufflenet_v2_x1_0", "regnet_y_400mf", "googlenet", "inception_v3", "vit_b_16", "swin_t",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_new_head_is_the_head_that_torchvision_would_make(name):
    """The parameters that the number of classes shapes are the ones that are replaced."""
    fresh, replaced = torchvision_classifier(name, 7), with_new_head(torchvision_classifier(name, 1000), 7)
    assert {k: v.shape for k, v in fresh.state_dict().items()} == {k: v.shape for k, v in replaced.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "size"), [("googlenet", 96), ("inception_v3", 96), ("squeezenet1_1", 64), ("mobilenet_v3_small", 64)]
)
def test_one_output_in_training_too(name, size):
    model = torchvision_classifier(name, 5).train()
    assert model(torch.randn(2, 3, size, size)).shape == (2, 5)
    assert not any("aux" in n.lower() for n, _ in model.named_parameters())
    torch.fx.symbolic_trace(model.eval())


def test_an_unknown_name_lists_close_ones():
    with pytest.raises(ModelError, match=r"model\.name=resnet_18.*resnet18"):
        torchvision_classifier("resnet_18")
    with pytest.raises(ModelError, match="not a torchvision classifier"):
        torchvision_classifier("fcn_resnet50")


def pretrained(monkeypatch):
    """torchvision's ImageNet network with random weights, as the download would give it."""
    original = torchvision.models.get_model

    def get_model(name, weights=None, **options):
        assert weights == "DEFAULT"
        return original(name, weights=None, **({"init_weights": False} if name == "googlenet" else {}), **options)

    monkeypatch.setattr(torchvision.models, "get_model", get_model)


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_pretrained_weights_stay_and_the_head_is_new(name, monkeypatch):
    pretrained(monkeypatch)
    model = torchvision_classifier(name, 3, pretrained=True).train()
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)
    assert not any("aux" in n.lower() for n, _ in model.named_parameters())
    assert torchvision_classifier(name, pretrained=True).fc.out_features == 1000


def test_no_network(monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(ModelError, match=r"weights of resnet18 cannot be downloaded.*weights=FILE"):
        torchvision_classifier("resnet18", pretrained=True)


def test_a_convolution_as_head():
    model = with_new_head(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 9, 1)), 2)
    assert model(torch.zeros(1, 1, 5, 5)).shape == (1, 2, 3, 3)
