"""The ``.c`` and ``.h`` files in fixed point: the same program, with whole numbers.

Activations, biases and logits are 32 bits with 16 binary digits behind the point, weights 8 or 16 bits with as many digits as TQ has left
them, sums 64 bits, rounded once.  What only moves or compares numbers has the kernels of floating point with another type.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from importlib import resources

from easiedge.deploy.c.fixed_numbers import FRACTION, Whole, whole, whole_biases, whole_weights
from easiedge.deploy.c.memory_plan import MemoryPlan
from easiedge.deploy.c.program import Argument, Call, Channels, Layer, Memory, Places, Program, Weights, Window
from easiedge.deploy.c.source import about_classes, pointer, wrapped
from easiedge.deploy.c.text import comment
from easiedge.deploy.image_input import ImageInput

_OWN = ("convolve", "convolve_sparse", "add", "pool_average", "pool_adaptive_average", "softmax")
_WINDOWED = ("convolve", "convolve_sparse", "pool_max", "pool_average")
_MORE = 8  # digits that `prepare` has beyond those of an image


def fixed_constants(program: Program) -> dict[int, tuple[str, Whole]]:
    """Name and content of each constant, by its start: biases with the digits of activations, weights with as few as hold them.

    Raises:
        ModelError: numbers that are too large.
    """
    found, start = {}, 0
    for name, values in program.constants:
        made = whole_biases(values, name) if name.endswith(".bias") else whole_weights(values, name)
        found[start] = (name, made)
        start += values.size
    return found


def fixed_source_text(program: Program, plan: MemoryPlan, form: ImageInput, name: str) -> str:
    """The ``.c`` file."""
    upper, constants = name.upper(), fixed_constants(program)
    layers = [
        _layer(layer, k, f"{upper}_ON_LAYER({k});", program, plan, constants) for k, layer in enumerate(program.layers)
    ]
    used = {call.kernel for call in program.calls}
    weights = {(call.kernel, _type(call, constants)) for call in program.calls if call.kernel.startswith("convolve")}
    return "\n".join([
        f"/* {name}: {program.macs:,} multiply-accumulates an image, in fixed point; see {name}.h. Made by easiedge. C99; activations lie",
        "   channels last. */",
        f'#include "{name}.h"', *(["", "#include <math.h>"] if "softmax" in used else []), "",
        f"#ifndef {upper}_ON_LAYER /* called before each layer with its number: define it to take times */",
        f"#define {upper}_ON_LAYER(number)", "#endif", "", f"#define FRACTION {FRACTION} /* digits behind the point */", "",
        *(_array(f"constant_{start}", label, made) for start, (label, made) in constants.items()), *_kernels(used, weights),
        *([f"static fixed memory[{plan.size}]; /* activations; those that are not needed together share it */", ""] if plan.size else []),
        *about_classes(form, name), *_prepare(form, name), "",
        f"int {name}_run(const int32_t *image, int32_t *logits)", "{", "    if (!image || !logits) return 1;",
        *(f"    {line}" for lines in layers for line in lines), "    return 0;", "}", "",
    ])  # fmt: skip


def fixed_header_text(program: Program, plan: MemoryPlan, name: str) -> str:
    """The ``.h`` file."""
    upper, (channels, height, width) = name.upper(), program.input
    constants = fixed_constants(program).values()
    digits = sorted({made.digits for label, made in constants if not label.endswith(".bias")})
    return f"""/* {name}: a network as C99 in fixed point, made by easiedge.

   {name}_run() computes the logits of one image; nothing is allocated. Numbers are 32 bits with {upper}_FRACTION binary digits behind the
   point. The image is [height][width][channels], each value (pixel / 255 - mean) / std of its channel, which {name}_prepare() makes of
   8-bit pixels. Weights have {", ".join(map(str, digits)) or "no"} digits. Activations lie in one static block of memory, so one call at a time. */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#define {upper}_HEIGHT {height}
#define {upper}_WIDTH {width}
#define {upper}_CHANNELS {channels}
#define {upper}_INPUTS {channels * height * width} /* numbers of an image */
#define {upper}_CLASSES {program.classes} /* numbers of the logits */
#define {upper}_FRACTION {FRACTION}
#define {upper}_ACTIVATION_BYTES {4 * plan.size} /* static memory, without image and logits */
#define {upper}_WEIGHT_BYTES {sum(made.bytes for _, made in constants) + program.place_bytes} /* constants */
#define {upper}_MACS {program.macs} /* multiply-accumulates of one image, by weights that are zero too */
#define {upper}_LAYERS {len(program.layers)}

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {name}_classes[{upper}_CLASSES]; /* UTF-8 */

/* 0 when done, 1 where a pointer is null */
int {name}_run(const int32_t *image, int32_t *logits);

/* 8-bit pixels [height][width][channels] to an image */
void {name}_prepare(const unsigned char *pixels, int32_t *image);

#ifdef __cplusplus
}}
#endif
#endif
"""


def _kernels(used: set[str], weights: set[tuple[str, str]]) -> list[str]:
    wanted = [*(["window"] if used & {*_WINDOWED} else []), *(["clamped"] if "clamp" in used else []), *sorted(used)]
    found = [_text("fixed", "number")]
    for kernel in wanted:
        found.append(_text("fixed", kernel) if kernel in _OWN else _as_fixed(_text(kernel)))
        found += [f"{kernel.upper()}({kernel}_{kind}, {kind})\n" for each, kind in sorted(weights) if each == kernel]
    return found


def _text(*path: str) -> str:
    folder = resources.files(__package__) / "kernels"
    return folder.joinpath(*path[:-1], f"{path[-1]}.c").read_text(encoding="ascii")


def _as_fixed(kernel: str) -> str:
    """A kernel that moves or compares numbers, with their type."""
    return kernel.replace("float", "fixed").replace("FLT_MAX", "INT32_MAX").replace("0.0f", "0")


def _array(name: str, label: str, made: Whole) -> str:
    lines = textwrap.wrap(", ".join(map(str, made.numbers.tolist() or [0])), 110)
    body = "".join(f"    {line}\n" for line in lines)
    return f"/* {comment(label)}, {made.digits} digits */\nstatic const {made.type} {name}[{max(1, made.numbers.size)}] = {{\n{body}}};\n"


def _prepare(form: ImageInput, name: str) -> list[str]:
    """``pixels * scale + shift`` with more digits than an image has, rounded."""
    upper, channels, unit = name.upper(), form.shape[0], 2.0 ** (FRACTION + _MORE)
    means, stds = ((values * channels)[:channels] for values in (form.mean, form.std))
    scales = [round(unit / (255 * s)) for s in stds]
    shifts = [round(-unit * m / s) for m, s in zip(means, stds, strict=True)]
    lists = (", ".join(f"INT64_C({value})" for value in values) for values in (scales, shifts))
    return [
        "", f"void {name}_prepare(const unsigned char *pixels, int32_t *image)", "{",
        *(f"    static const int64_t {what}[{upper}_CHANNELS] = {{{text}}};" for what, text in zip(("scale", "shift"), lists, strict=True)),
        f"    for (int i = 0; i < {upper}_INPUTS; i++) {{", f"        const int c = i % {upper}_CHANNELS;",
        f"        image[i] = (int32_t)((pixels[i] * scale[c] + shift[c] + {1 << (_MORE - 1)}) >> {_MORE});", "    }", "}",
    ]  # fmt: skip


def _layer(
    layer: Layer, number_of: int, begins: str, program: Program, plan: MemoryPlan, constants: Mapping[int, tuple[str, Whole]]
) -> list[str]:  # fmt: skip
    macs = f"; {layer.macs:,} multiply-accumulates" if layer.macs else ""
    lines = [f"/* {number_of}. {comment(layer.name)}: {comment(layer.what)}{macs} */", begins]
    for call in layer.calls:
        declared: list[str] = []
        given = [_argument(a, declared, program, plan, constants) for a in call.arguments]
        suffix = f"_{_type(call, constants)}" if call.kernel.startswith("convolve") else ""
        text = f"{call.kernel}{suffix}({', '.join(given)});"
        lines += ["{", *(f"    {line}" for line in (*declared, text)), "}"] if declared else [text]
    return lines


def _type(call: Call, constants: Mapping[int, tuple[str, Whole]]) -> str:
    """Of a call's weights, which come before its biases."""
    return next(constants[a.start][1].type for a in call.arguments if isinstance(a, Weights))


def _argument(
    a: Argument, declared: list[str], program: Program, plan: MemoryPlan, constants: Mapping[int, tuple[str, Whole]]
) -> str:  # fmt: skip
    if isinstance(a, Window):
        declared += ["static const window shape = {", *_window(a), "};"]
        return "&shape"
    if isinstance(a, Places):
        declared += [f"static const unsigned short {a.name}[{max(1, len(a.numbers))}] = {{", *wrapped(a.numbers), "};"]
        return a.name
    if isinstance(a, Channels):
        declared.append(f"static const short from[{len(a.numbers)}] = {{{', '.join(map(str, a.numbers))}}};")
        return "from"
    if isinstance(a, Weights):
        label, made = constants[a.start]
        return f"constant_{a.start}" + ("" if label.endswith(".bias") else f", {made.digits}")
    if isinstance(a, Memory):
        return pointer(a, program, plan)
    return whole(a) if isinstance(a, float) else str(a)


def _window(window: Window) -> list[str]:
    """Lines of designated initialisers of what is not zero."""
    given = {name: getattr(window, name) for name in window.__dataclass_fields__}
    texts = [
        f".{name} = {whole(v) if isinstance(v, float) else v}"
        for name, v in given.items()
        if v or name in ("low", "high")
    ]
    return textwrap.wrap(", ".join(texts) + ",", 100, initial_indent="    ", subsequent_indent="    ")
