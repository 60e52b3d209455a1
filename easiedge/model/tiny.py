"""The tiny networks of NeuroGRS and their scaled forms: nn1, nn2 (dense), cnn1, cnn2 (convolutions of 2x2).

Wu, Lin, Chen, Bhattacharyya: *Learning Compact DNN Models for Behavior Prediction from Neural Activity of Calcium Imaging*, Journal of
Signal Processing Systems 94, 2022; decoders of two classes:

    nn1   dense 32, 16, 8            nn2   dense 32
    cnn1  conv 32, 16 of 2x2         cnn2  conv 32 of 2x2

each with ReLU, max pooling of 2x2 behind the first convolution, dropout 0.5 before the classifier of the CNNs.  ``widths`` scales them:
nn1 with [512, 256, 128] is the largest of the publication's trend.  What cnn2 is, is this project's reading: cnn1 without its second layer,
as nn2 is nn1 without its others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

from torch import nn

from easiedge.errors import ModelError

KERNEL = 2
DROPOUT = 0.5
MOST_UNITS = 1 << 16


def nn1(
    num_classes: int = 2, input_shape: tuple[int, int, int] = (1, 1, 30), widths: Sequence[int] = (32, 16, 8)
) -> nn.Sequential:
    """A dense network with ReLU, for inputs ``[batch, *input_shape]`` of any kind.

    Raises:
        ModelError: widths that are none.
    """
    _check(widths, "nn1")
    layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    inputs = prod(input_shape)
    for number, width in enumerate(widths, 1):
        layers += [(f"hidden{number}", nn.Linear(inputs, width)), (f"relu{number}", nn.ReLU())]
        inputs = width
    return nn.Sequential(OrderedDict([*layers, ("output", nn.Linear(inputs, num_classes))]))


def nn2(
    num_classes: int = 2, input_shape: tuple[int, int, int] = (1, 1, 30), widths: Sequence[int] = (32,)
) -> nn.Sequential:
    """`nn1` with one hidden layer of 32."""
    return nn1(num_classes, input_shape, widths)


def cnn1(
    num_classes: int = 2, input_shape: tuple[int, int, int] = (1, 8, 8), widths: Sequence[int] = (32, 16)
) -> nn.Sequential:
    """Convolutions of 2x2 with ReLU, max pooling behind the first, dropout, a linear classifier.

    Raises:
        ModelError: widths that are none, or images that convolutions and pooling leave nothing of.
    """
    _check(widths, "cnn1")
    channels, height, width = input_shape
    layers: list[tuple[str, nn.Module]] = []
    inputs = channels
    for number, units in enumerate(widths, 1):
        layers += [(f"conv{number}", nn.Conv2d(inputs, units, KERNEL)), (f"relu{number}", nn.ReLU())]
        height, width, inputs = height - KERNEL + 1, width - KERNEL + 1, units
        if number == 1:
            layers.append(("pool", nn.MaxPool2d(2)))
            height, width = height // 2, width // 2
    if height < 1 or width < 1:
        raise ModelError(
            f"images of {input_shape[1]}x{input_shape[2]} are too small for {len(widths)} convolutions of 2x2 and a pooling: "
            "give larger ones, or model=nn1"
        )
    layers += [("flatten", nn.Flatten()), ("dropout", nn.Dropout(DROPOUT))]
    return nn.Sequential(OrderedDict([*layers, ("output", nn.Linear(inputs * height * width, num_classes))]))


def cnn2(
    num_classes: int = 2, input_shape: tuple[int, int, int] = (1, 8, 8), widths: Sequence[int] = (32,)
) -> nn.Sequential:
    """`cnn1` with one convolution of 32."""
    return cnn1(num_classes, input_shape, widths)


FAMILIES = {"nn1": nn1, "nn2": nn2, "cnn1": cnn1, "cnn2": cnn2}


def _check(widths: Sequence[int], name: str) -> None:
    if not len(widths) or not all(
        isinstance(w, int) and not isinstance(w, bool) and 1 <= w <= MOST_UNITS for w in widths
    ):
        raise ModelError(
            f"model.widths={list(widths)} must be whole numbers from 1 to {MOST_UNITS}, one for each layer of {name}, such as [32,16]"
        )
