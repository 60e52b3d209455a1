"""The ``.c`` file: the kernels that the program calls, its constants, and one function that calls them layer by layer."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from importlib import resources

from easiedge.deploy.c.memory_plan import MemoryPlan
from easiedge.deploy.c.program import Argument, Call, Channels, Layer, Memory, Places, Program, Weights, Window
from easiedge.deploy.c.text import comment, number, numbers, string
from easiedge.deploy.image_input import ImageInput

_NEEDS = {
    "convolve": ("window", "clamped"), "convolve_depthwise": ("window", "clamped"), "pool_max": ("window",),
    "pool_average": ("window",), "add": ("clamped",), "scale_shift": ("clamped",), "clamp": ("clamped",), "hardswish": ("clamped",),
    "hardsigmoid": ("clamped",), "convolve_sparse": ("window", "clamped"),
}  # fmt: skip
_MATHS = ("sigmoid", "silu", "hyperbolic_tangent", "softmax")


def source_text(program: Program, plan: MemoryPlan, form: ImageInput, name: str, weights_file: str | None) -> str:
    """The file.

    Args:
        program: the network.
        plan: of its memory.
        form: what images and classes are.
        name: of the network, a C identifier: also of the header.
        weights_file: file with the constants where they are not in the text.
    """
    upper = name.upper()
    used = sorted({call.kernel for call in program.calls})
    layers = [_layer(layer, k, f"{upper}_ON_LAYER({k});", program, plan) for k, layer in enumerate(program.layers)]
    bodies = "\n".join(f"    {line}" for lines in layers for line in lines)
    return "\n".join([
        f"/* {name}: {program.macs:,} multiply-accumulates an image; see {name}.h. Made by easiedge. C99; activations lie channels last. */",
        f'#include "{name}.h"', "", "#include <float.h>", *(["#include <math.h>"] if {*used} & {*_MATHS} else []), "",
        f"#ifndef {upper}_ON_LAYER /* called before each layer with its number: define it to take times */",
        f"#define {upper}_ON_LAYER(number)", "#endif", "",
        _constants(program, name, weights_file), *_kernels(program, used),
        *([f"static float memory[{plan.size}]; /* activations; those that are not needed together share it */", ""] if plan.size else []),
        *_about(form, name), "",
        f"int {name}_run(const float *image, float *logits)", "{",
        *([f"    const float *const weights = {name}_weights;"] if program.weights else []),
        "    if (!image || !logits) return 1;", bodies, "    return 0;", "}", "",
    ])  # fmt: skip


def _kernels(program: Program, used: list[str]) -> list[str]:
    wanted = dict.fromkeys([*sorted({need for kernel in used for need in _NEEDS.get(kernel, ())}), *used])
    found = [
        (resources.files(__package__) / "kernels" / f"{kernel}.c").read_text(encoding="ascii") for kernel in wanted
    ]
    if "convolve" in used:
        windows = [
            a for call in program.calls if call.kernel == "convolve" for a in call.arguments if isinstance(a, Window)
        ]
        most = max(w.in_channels * (w.kernel_width if w.groups == 1 else 1) for w in windows)
        found.insert(0, f"static const float zeros[{most}]; /* what lies around an image */\n")
        found.insert(0, f"enum {{ KERNEL_WIDTH = {max(w.kernel_width for w in windows)} }}; /* at most */")
    return found


def _constants(program: Program, name: str, weights_file: str | None) -> str:
    if not program.weights:
        return ""
    if weights_file is None:
        arrays = "".join(
            f"    /* {comment(label)}: {values.size} */\n{numbers(values)}" for label, values in program.constants
        )
        return f"static const float {name}_weights[{program.weights}] = {{\n{arrays}}};\n"
    upper = name.upper()
    template = (resources.files(__package__) / "weights_file.c.txt").read_text(encoding="ascii")
    return template.replace("@NAME@", name).replace("@UPPER@", upper).replace("@FILE@", weights_file)


def about_classes(form: ImageInput, name: str) -> list[str]:
    """Their names."""
    return [
        f"const char *const {name}_classes[{name.upper()}_CLASSES] = {{", *(f"    {string(each)}," for each in form.classes), "};",
    ]  # fmt: skip


def _about(form: ImageInput, name: str) -> list[str]:
    upper, channels = name.upper(), form.shape[0]
    mean, std = (", ".join(number(v) for v in (values * channels)[:channels]) for values in (form.mean, form.std))
    return [
        *about_classes(form, name),
        f"const float {name}_mean[{upper}_CHANNELS] = {{{mean}}};", f"const float {name}_std[{upper}_CHANNELS] = {{{std}}};",
        "", f"void {name}_prepare(const unsigned char *pixels, float *image)", "{",
        f"    for (int i = 0; i < {upper}_INPUTS; i++) {{",
        f"        const int c = i % {upper}_CHANNELS;",
        f"        image[i] = ((float)pixels[i] / 255.0f - {name}_mean[c]) / {name}_std[c];", "    }", "}",
    ]  # fmt: skip


def _layer(layer: Layer, number_of: int, begins: str, program: Program, plan: MemoryPlan) -> list[str]:
    macs = f"; {layer.macs:,} multiply-accumulates" if layer.macs else ""
    lines = [f"/* {number_of}. {comment(layer.name)}: {comment(layer.what)}{macs} */", begins]
    for call in layer.calls:
        declared, arguments = _arguments(call, program, plan)
        text = f"{call.kernel}({', '.join(arguments)});"
        lines += ["{", *(f"    {line}" for line in (*declared, text)), "}"] if declared else [text]
    return lines


def _arguments(call: Call, program: Program, plan: MemoryPlan) -> tuple[list[str], list[str]]:
    """Declarations that the call needs, and its arguments."""
    declared: list[str] = []
    found: list[str] = []
    for a in call.arguments:
        if isinstance(a, Window):
            declared += ["static const window shape = {", *_window(a), "};"]
            found.append("&shape")
        elif isinstance(a, Channels):
            declared.append(f"static const short from[{len(a.numbers)}] = {{{', '.join(map(str, a.numbers))}}};")
            found.append("from")
        elif isinstance(a, Places):
            declared += [
                f"static const unsigned short {a.name}[{max(1, len(a.numbers))}] = {{",
                *wrapped(a.numbers),
                "};",
            ]
            found.append(a.name)
        else:
            found.append(_plain(a, program, plan))
    return declared, found


def wrapped(places: tuple[int, ...]) -> list[str]:
    """Lines of whole numbers."""
    return textwrap.wrap(", ".join(map(str, places or (0,))), 100, initial_indent="    ", subsequent_indent="    ")


def _window(window: Window) -> list[str]:
    """Lines of designated initialisers of what is not zero."""
    given = [(each.name, getattr(window, each.name)) for each in fields(window)]
    texts = [
        f".{name} = {number(value) if isinstance(value, float) else value}"
        for name, value in given
        if value or name == "low"
    ]
    return textwrap.wrap(", ".join(texts) + ",", 100, initial_indent="    ", subsequent_indent="    ")


def pointer(a: Memory, program: Program, plan: MemoryPlan) -> str:
    """Where a piece of memory begins: in the image, in the logits, or in the work space."""
    if a.buffer in (program.image, program.logits):
        base = "image" if a.buffer == program.image else "logits"
        return f"{base} + {a.start}" if a.start else base
    return f"memory + {plan.start[a.buffer] + a.start}"


def _plain(a: Argument, program: Program, plan: MemoryPlan) -> str:
    if isinstance(a, Weights):
        return f"weights + {a.start}"
    if isinstance(a, Memory):
        return pointer(a, program, plan)
    return number(a) if isinstance(a, float) else str(a)
