"""Choose the arithmetic of training: bf16 and the channels-last layout where the processor gains by them.

The rule looks at the network, and at what the processor can do: whether it has bf16, and whether that is faster there, which is
measured once (`bf16_gain`, far from 1 on every processor seen).  What it rests on, one training step in milliseconds on two
x86-64 cores of an AMD EPYC with avx512_bf16, torch 2.15, batches of 128 (16 to 32 at 64x64):

    network            MACs/image   float32   + channels_last   bf16    + channels_last
    LeNet, 8x8            0.5 M        5.0          4.6           4.1         4.1
    LeNet, 28x28          6.5 M       52           38            29          27
    ResNet-20, 32x32      41 M       141          111            89          83
    ResNet-18, 64x64     149 M       123          109            88          82
    VGG-16, 32x32        313 M       767          702           378         370
    ResNeXt-50, 64x64    347 M      227          180           150         132
    ConvNeXt-T, 64x64    364 M      505          379           187         193    depthwise: 2 % of the MACs
    DenseNet-121, 64x64  232 M      319          264           289         203
    GoogLeNet, 64x64     123 M      198          163           160         122
    RegNetY-400MF, 64     34 M       81           65            57          47
    SqueezeNet, 64x64     22 M       25           20            24          17
    MobileNet-v2, 64x64   26 M      112           61           154         114    depthwise: 7 %
    MobileNet-v3-S, 64     7 M       94           89           111         104    depthwise: 9 %
    MNASNet, 64x64        27 M       71           54            98          99    depthwise: 9 %
    EfficientNet-B0, 64   33 M      194          160           211         210    depthwise: 8 %

So channels_last pays for networks with 2-d convolutions; bf16 pays for all but the smallest and those with much depthwise
convolution, whose bf16 kernels are slow on processors.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from torch import Tensor, nn

from easiedge.bf16_gain import ENOUGH_GAIN, bf16_gain, has_bf16
from easiedge.errors import TrainingError
from easiedge.model.count import layer_macs
from easiedge.model.operations import is_depthwise

log = logging.getLogger(__name__)

ENOUGH_MACS = 1_000_000
"""MACs per image from which bf16 pays on a processor that has it."""
MUCH_DEPTHWISE = 0.04
"""Share of the MACs in depthwise convolutions from which bf16 costs more than it saves on a processor."""

_PRECISIONS = ("auto", "bf16-mixed", "32-true")


@dataclass(frozen=True)
class Precision:
    """The arithmetic of a training run.

    Attributes:
        precision: Lightning's name, ``"bf16-mixed"`` or ``"32-true"``.
        channels_last: lay images and convolution weights out with the channels last.
        reason: why, for the log.
    """

    precision: str
    channels_last: bool
    reason: str


def choose_precision(
    network: nn.Module,
    example_inputs: Tensor | tuple[Tensor, ...],
    requested: str = "auto",
    channels_last: str | bool = "auto",
    *,
    told: bool = True,
) -> Precision:
    """Decide by rule; a request other than ``"auto"`` is obeyed.  The choice and its reason go to the log.

    Args:
        network: what is trained, left as it was.
        example_inputs: a batch of inputs.
        requested: ``"auto"``, ``"bf16-mixed"`` or ``"32-true"``.
        channels_last: ``"auto"``, True or False.
        told: write the log.

    Raises:
        TrainingError: unknown request.
    """
    if requested not in _PRECISIONS:
        raise TrainingError(f"unknown precision {requested!r}: choose one of {', '.join(_PRECISIONS)}")
    if channels_last not in ("auto", True, False):
        raise TrainingError(f"unknown channels_last {channels_last!r}: choose auto, true or false")
    precision, reason = (requested, "as requested") if requested != "auto" else _automatic(network, example_inputs)
    planar = any(isinstance(m, nn.Conv2d) for m in network.modules())
    layout = planar if channels_last == "auto" else bool(channels_last)
    where = "channels_last" if layout else "channels first"
    chosen = Precision(precision, layout, f"{reason}; {where}")
    if told:
        log.info("precision %s: %s", chosen.precision, chosen.reason)
    return chosen


def _automatic(network: nn.Module, example_inputs: Tensor | tuple[Tensor, ...]) -> tuple[str, str]:
    unit = has_bf16()
    if unit is None:
        return "32-true", "this processor does not multiply bf16 natively"
    macs = layer_macs(network, example_inputs)
    total = sum(macs.values())
    if total < ENOUGH_MACS:
        return "32-true", f"{total / 1e6:.2g} M MACs per image are too few for bf16 to help"
    modules = dict(network.named_modules())
    depthwise = sum(n for layer, n in macs.items() if is_depthwise(modules[layer])) / total
    if depthwise > MUCH_DEPTHWISE and unit != "the GPU":
        return "32-true", f"depthwise convolutions ({depthwise:.0%} of the MACs) are slower in bf16 on this processor"
    if unit != "the GPU" and (gain := bf16_gain()) < ENOUGH_GAIN:
        return (
            "32-true",
            f"this processor has {unit}, but a convolution takes {1 / gain:.1f} of its float32 time in it",
        )
    return "bf16-mixed", f"{unit} multiplies bf16, and the network has {total / 1e6:.3g} M MACs per image"
