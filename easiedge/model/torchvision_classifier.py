"""Any torchvision classifier by name."""

from __future__ import annotations

import difflib
import urllib.error
from typing import Any

import torchvision
from torch import nn

from easiedge.errors import ModelError

PRETRAINED_CLASSES = 1000


def torchvision_classifier(name: str, num_classes: int = 1000, pretrained: bool = False) -> nn.Module:
    """Make ``torchvision.models.name``; auxiliary heads are off, since deployed networks have none.

    Args:
        name: such as ``resnet18`` or ``mobilenet_v3_small``.
        num_classes: outputs; with ``pretrained`` the last layer is new unless it is 1000.
        pretrained: start from torchvision's best ImageNet weights (downloaded).

    Raises:
        ModelError: unknown name (close ones are listed), or the weights cannot be downloaded.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        close = ", ".join(difflib.get_close_matches(name, names, n=4, cutoff=0.4)) or "resnet18, mobilenet_v2"
        raise ModelError(f"model.name={name} is not a torchvision classifier: close ones are {close}")
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, "aux_logits": False} if not pretrained else {}
    if not pretrained:
        plain: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
        return plain
    try:
        model = torchvision.models.get_model(name, weights="DEFAULT")
    except (urllib.error.URLError, OSError) as error:
        raise ModelError(
            f"the weights of {name} cannot be downloaded ({error}): download them where there is a network and pass weights=FILE, or transfer=FILE for other classes than theirs"
        ) from error
    if hasattr(model, "aux_logits"):
        model.aux_logits = False
        for head in ("aux1", "aux2", "AuxLogits"):
            if hasattr(model, head):
                setattr(model, head, None)
    return model if num_classes == PRETRAINED_CLASSES else with_new_head(model, num_classes)


def with_new_head(model: nn.Module, num_classes: int) -> nn.Module:
    """Replace the last linear layer or convolution by one with ``num_classes`` outputs."""
    name, last = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
    if isinstance(last, nn.Linear):
        new: nn.Module = nn.Linear(last.in_features, num_classes, bias=last.bias is not None)
    else:
        new = nn.Conv2d(last.in_channels, num_classes, 1)
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)
    return model
