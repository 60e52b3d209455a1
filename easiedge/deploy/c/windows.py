"""Operators that slide over an image: convolutions and pooling; a linear layer is a convolution of one pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import fx, nn

from easiedge.deploy.c.lowering import Lowering, parameter
from easiedge.deploy.c.packing import convolution_weights, depthwise_weights
from easiedge.deploy.c.program import Channels, Floats, Memory, Places, Value, Window

MOST_PLACES = 1 << 16


def convolution(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """``nn.Conv2d``, with the clamp behind it."""
    layer, name, x = job.modules[str(n.target)], str(n.target), job.operand(n)
    assert isinstance(layer, nn.Conv2d)
    if layer.padding_mode != "zeros":
        raise job.refusal(n, f"pads with {layer.padding_mode!r}, not zeros")
    weight, bias = parameter(layer, "weight"), parameter(layer, "bias")
    assert weight is not None
    made = job.new_like(n)
    low, high, clamp = job.clamp_behind(n)
    depthwise = layer.groups == layer.in_channels == layer.out_channels
    groups = 1 if depthwise else layer.groups
    kernel, stride, dilation = _pair(layer.kernel_size), _pair(layer.stride), _pair(layer.dilation)
    if isinstance(layer.padding, str):  # 'same' puts the odd one at the end
        same = layer.padding == "same"
        padding = (dilation[0] * (kernel[0] - 1) // 2 * same, dilation[1] * (kernel[1] - 1) // 2 * same)
    else:
        padding = _pair(layer.padding)
    window = Window(
        x.height, x.width, x.channels // groups, made.height, made.width, made.channels // groups, kernel[0], kernel[1], stride[0],
        stride[1], padding[0], padding[1], dilation[0], dilation[1], groups, low=low, high=high,
    )  # fmt: skip
    job.note(
        f"Conv2d {x} -> {made}, {kernel[0]}x{kernel[1]}{f', {layer.groups} groups' if layer.groups > 1 else ''}{clamp}",
        made.pixels * weight.size,
    )
    bias = np.zeros(made.channels, dtype=np.float32) if bias is None else bias
    sparse = not depthwise and is_sparse(weight, window)
    if job.fixed or sparse:
        window, x = _inside(job, n, window, x)
        if depthwise:
            window = replace(window, groups=x.channels, in_channels=1, out_channels=1)
        _direct(job, n, window, x, name, weight, bias, made, sparse)
        return made
    packed = depthwise_weights(weight) if depthwise else convolution_weights(weight, groups)
    job.call(
        n, "convolve_depthwise" if depthwise else "convolve", window, Memory(x.buffer), job.constant(f"{name}.weight", packed),
        job.constant(f"{name}.bias", bias), Memory(made.buffer),
    )  # fmt: skip
    return made


def linear(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """``nn.Linear`` on a vector, with the clamp behind it."""
    layer, name, x = job.modules[str(n.target)], str(n.target), job.operand(n)
    if len(job.shapes[n]) != 2:
        raise job.refusal(n, "does not read a vector")
    weight, bias = parameter(layer, "weight"), parameter(layer, "bias")
    assert weight is not None
    if x.order is not None:
        name, weight = f"{name}.channels_last", weight[:, x.order]
    made = job.new_like(n)
    low, high, clamp = job.clamp_behind(n)
    job.note(f"Linear {x} -> {made}{clamp}", weight.size)
    window, weight = Window(1, 1, x.size, 1, 1, made.size, 1, 1, low=low, high=high), weight[:, :, None, None]
    bias = np.zeros(made.size, dtype=np.float32) if bias is None else bias
    if job.fixed or is_sparse(weight, window):
        _direct(job, n, window, x, name, weight, bias, made, is_sparse(weight, window))
        return made
    job.call(
        n, "convolve", window, Memory(x.buffer), job.constant(f"{name}.weight", convolution_weights(weight, 1)),
        job.constant(f"{name}.bias", bias), Memory(made.buffer),
    )  # fmt: skip
    return made


def is_sparse(weight: Floats, window: Window) -> bool:
    """Whether at least half of the weights ``[out, in, height, width]`` are zero, and 16 bits say where the others are."""
    reach = (window.in_height + 2 * window.padding_top) * (window.in_width + 2 * window.padding_left)
    few = 2 * int(np.count_nonzero(weight)) <= weight.size < MOST_PLACES
    return few and window.groups == 1 and reach * window.in_channels < MOST_PLACES


def _direct(
    job: Lowering, n: fx.Node, window: Window, x: Value, name: str, weight: Floats, bias: Floats, made: Value, sparse: bool
) -> None:  # fmt: skip
    """Call a kernel that reads windows inside the image, and weights as they lie or, with ``sparse``, those that are not zero."""
    lying = weight.transpose(0, 2, 3, 1)
    if not sparse:
        constants = job.constant(f"{name}.weight", lying), job.constant(f"{name}.bias", bias)
        job.call(n, "convolve", window, Memory(x.buffer), *constants, Memory(made.buffer))
        return
    outputs, rows, columns, channels = np.nonzero(lying)
    offsets = (rows * window.dilation_height * window.in_width + columns * window.dilation_width) * window.in_channels
    starts = np.searchsorted(outputs, np.arange(len(weight) + 1))
    constants = job.constant(f"{name}.nonzero", lying[lying != 0]), job.constant(f"{name}.bias", bias)
    job.call(
        n, "convolve_sparse", window, Places("start", tuple(starts.tolist())), Places("offset", tuple((offsets + channels).tolist())),
        Memory(x.buffer), *constants, Memory(made.buffer),
    )  # fmt: skip


def _inside(job: Lowering, n: fx.Node, window: Window, x: Value) -> tuple[Window, Value]:
    """The window and its image, with zeros around it where windows reach outside."""
    rows = (window.out_height - 1) * window.stride_height + (window.kernel_height - 1) * window.dilation_height + 1
    columns = (window.out_width - 1) * window.stride_width + (window.kernel_width - 1) * window.dilation_width + 1
    if not (window.padding_top or window.padding_left or rows > x.height or columns > x.width):
        return window, x
    around = job.new(x.channels, rows, columns)
    job.call(
        n, "pick", x.height, x.width, x.channels, -window.padding_top, -window.padding_left, 1, 1, rows, columns, x.channels,
        Channels(tuple(range(x.channels))), Memory(x.buffer), Memory(around.buffer),
    )  # fmt: skip
    return replace(window, in_height=rows, in_width=columns, padding_top=0, padding_left=0), around


def pooling(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """``max_pool2d``, ``avg_pool2d``."""
    _one_result(job, n, options)
    x, made, average = job.operand(n), job.new_like(n), "count_include_pad" in options
    kernel, padding = _pair(options["kernel_size"]), _pair(options["padding"])
    stride = kernel if options["stride"] in (None, ()) else _pair(options["stride"])
    dilation = _pair(options.get("dilation", 1))
    window = Window(
        x.height, x.width, x.channels, made.height, made.width, made.channels, kernel[0], kernel[1], stride[0], stride[1], padding[0],
        padding[1], dilation[0], dilation[1], padding_counts=int(options.get("count_include_pad", False)),
        divisor=options.get("divisor_override") or 0,
    )  # fmt: skip
    job.note(f"{'average' if average else 'max'} pooling {kernel[0]}x{kernel[1]}, {x} -> {made}")
    job.call(n, "pool_average" if average else "pool_max", window, Memory(x.buffer), Memory(made.buffer))
    return made


def adaptive_pooling(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """``adaptive_avg_pool2d``, ``adaptive_max_pool2d``."""
    _one_result(job, n, options)
    return _parts(job, n, "pool_adaptive_max" if "return_indices" in options else "pool_adaptive_average")


def mean(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> Value:
    """The mean over height and width."""
    dims = options["dim"]
    x = job.operand(n)
    source = n.args[0]
    assert isinstance(source, fx.Node)
    rank = len(job.shapes[source])
    if rank != 4 or dims is None or {d % 4 for d in (dims if isinstance(dims, tuple | list) else (dims,))} != {2, 3}:
        raise job.refusal(n, "is not over height and width")
    if x.pixels == 1:
        return Value(x.buffer, x.channels)
    return _parts(job, n, "pool_adaptive_average")


def _parts(job: Lowering, n: fx.Node, kernel: str) -> Value:
    x, made = job.operand(n), job.new_like(n)
    job.note(f"{'max' if 'max' in kernel else 'average'} pooling of {made.height}x{made.width} parts, {x} -> {made}")
    job.call(n, kernel, x.height, x.width, x.channels, made.height, made.width, Memory(x.buffer), Memory(made.buffer))
    return made


def _one_result(job: Lowering, n: fx.Node, options: Mapping[str, Any]) -> None:
    if options.get("return_indices"):
        raise job.refusal(n, "also gives indices")
    source = n.args[0]
    if not isinstance(source, fx.Node) or len(job.shapes.get(source, ())) != 4:
        raise job.refusal(n, "does not read an image")


def _pair(value: Any) -> tuple[int, int]:
    two = tuple(value) if isinstance(value, tuple | list) else (value,)
    return (int(two[0]), int(two[-1]))
