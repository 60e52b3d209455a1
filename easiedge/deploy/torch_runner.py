"""A network in torch as engines run theirs: images in, logits out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from easiedge.deploy.export.engine_format import Runner
from easiedge.errors import ModelError
from easiedge.model.logits import class_logits


def torch_runner(network: nn.Module, where: Path) -> Runner:
    """Run ``network``, which lies in ``where``, on images ``[batch, channels, height, width]``; the result is ``[batch, classes]``.

    Raises:
        ModelError: when run: the network is no classifier.
    """

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            found = class_logits(network(images))
        if found is None:
            raise ModelError(f"the network in {where} is no classifier: its output is not logits [batch, classes]")
        return found

    return run
