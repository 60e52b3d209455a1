"""The ``.h`` file: all that a program needs to know about the network."""

from __future__ import annotations

from easiedge.deploy.c.memory_plan import MemoryPlan
from easiedge.deploy.c.program import Program


def header_text(program: Program, plan: MemoryPlan, name: str) -> str:
    """The file."""
    upper, (channels, height, width) = name.upper(), program.input
    return f"""/* {name}: a network as C99, made by easiedge.

   {name}_run() computes the logits of one image; nothing is allocated. The image is [height][width][channels], as cameras and image
   files deliver pixels (not [channels][height][width] as in torch), each value (pixel / 255 - mean) / std of its channel, which
   {name}_prepare() makes of 8-bit pixels. Activations lie in one static block of memory, so one call at a time.

   Compile with -O3 (and -ffp-contract=fast or, for gcc, -std=gnu99 where the processor multiplies and adds in one instruction). */
#ifndef {upper}_H
#define {upper}_H

#define {upper}_HEIGHT {height}
#define {upper}_WIDTH {width}
#define {upper}_CHANNELS {channels}
#define {upper}_INPUTS {channels * height * width} /* floats of an image */
#define {upper}_CLASSES {program.classes} /* floats of the logits */
#define {upper}_ACTIVATION_BYTES {4 * plan.size} /* static memory, without image and logits */
#define {upper}_WEIGHT_BYTES {4 * program.weights + program.place_bytes} /* constants */
#define {upper}_MACS {program.macs} /* multiply-accumulates of one image */
#define {upper}_LAYERS {len(program.layers)}

#ifdef __cplusplus
extern "C" {{
#endif

extern const char *const {name}_classes[{upper}_CLASSES]; /* UTF-8 */
extern const float {name}_mean[{upper}_CHANNELS], {name}_std[{upper}_CHANNELS];

/* 0 when done, 1 where a pointer is null */
int {name}_run(const float *image, float *logits);

/* 8-bit pixels [height][width][channels] to an image */
void {name}_prepare(const unsigned char *pixels, float *image);

#ifdef __cplusplus
}}
#endif
#endif
"""
