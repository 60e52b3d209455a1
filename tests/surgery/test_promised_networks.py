"""Every network that is promised, our own and torchvision's: masked equals shrunk, costs are exact, artifacts round-trip, a step trains."""

import pytest
import torch
import torchvision
from networks import random_mask, randomise_norms

from easiedge.deploy.artifact import load, save
from easiedge.model.cost import network_cost
from easiedge.model.count import count
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import masked
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet20, resnet56
from easiedge.model.vgg import vgg16
from easiedge.surgery.shrink import shrink

SIZES = {"inception_v3": 139, "vit_b_16": 224, "swin_t": 64}
NAMES = """
resnet18 resnet50 mobilenet_v2 mobilenet_v3_small densenet121 efficientnet_b0 googlenet regnet_y_400mf convnext_tiny
squeezenet1_1 mnasnet1_0 resnext50_32x4d inception_v3 shufflenet_v2_x1_0 vit_b_16 swin_t
""".split()  # noqa: SIM905


OWN = {"lenet": lenet, "vgg16": vgg16, "resnet20": resnet20, "resnet56": resnet56}
OWN_SHAPES = {"lenet": (1, 28, 28)}


def lively(name):
    """Random weights under which removed units matter: trained-like norms, layer scales that are not near zero."""
    torch.manual_seed(0)
    if name in OWN:
        return randomise_norms(OWN[name]()).eval()
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **options)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("layer_scale"):
            parameter.data.fill_(0.5)
        if "heads" in parameter_name:
            parameter.data.normal_(0, 0.02)
    return randomise_norms(model).eval()


@pytest.mark.parametrize("name", [*OWN, *NAMES])
def test_masked_and_shrunk_networks_agree_at_several_shares(name, tmp_path):
    model = lively(name)
    size = SIZES.get(name, 64)
    x = torch.randn(2, *(OWN_SHAPES.get(name, (3, 32, 32)) if name in OWN else (3, size, size)))
    groups = find_groups(model, x)
    cost = network_cost(model, groups, x)
    with torch.no_grad():
        whole = model(x)
    for share in (0.2, 0.5, 0.8) if name != "vit_b_16" else (0.5,):
        mask = random_mask(groups, share, seed=int(10 * share))
        compact = shrink(model, groups, mask, x).eval()
        with torch.no_grad(), masked(model, groups, mask):
            expected, found = model(x), compact(x)
        scale = float(expected.abs().max())
        assert float((expected - found).abs().max()) <= 1e-4 * scale + 1e-6
        assert float((expected - whole).abs().max()) > 1e-3 * scale  # the mask does something
        kept = cost.total(mask.kept())
        assert count(compact, x) == {"params": kept["params"], "macs": kept["macs"]}
    save(compact, tmp_path)
    with torch.no_grad():
        assert torch.equal(load(tmp_path)(x), found)
    optimizer = torch.optim.SGD(compact.train().parameters(), lr=0.01)
    torch.nn.functional.cross_entropy(compact(x), torch.tensor([1, 2])).backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in compact.parameters())
    optimizer.step()
