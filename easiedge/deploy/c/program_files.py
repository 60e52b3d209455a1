"""What lies beside an exported network so that it can be tried at once: a small program that reads images, and a Makefile."""

from __future__ import annotations


def main_text(name: str, fixed: bool) -> str:
    """A program: 8-bit pixels from a file or standard input, one line of class and logits for each image."""
    upper = name.upper()
    number, shown = (
        ("int32_t", f"(double)logits[i] / (double)(1 << {upper}_FRACTION)") if fixed else ("float", "(double)logits[i]")
    )
    return f"""/* Reads images as bytes, [height][width][channels] one after the other, from a file or standard input; of each it prints the class and the
   logits. Made by easiedge. */
#include "{name}.h"

#include <stdio.h>

int main(int count, char **arguments)
{{
    static unsigned char pixels[{upper}_INPUTS];
    static {number} image[{upper}_INPUTS], logits[{upper}_CLASSES];
    FILE *file = count > 1 ? fopen(arguments[1], "rb") : stdin;
    size_t got;
    if (!file) {{
        fprintf(stderr, "%s cannot be read\\n", arguments[1]);
        return 2;
    }}
    while ((got = fread(pixels, 1, sizeof pixels, file)) == sizeof pixels) {{
        int best = 0;
        {name}_prepare(pixels, image);
        if ({name}_run(image, logits)) return 1;
        for (int i = 1; i < {upper}_CLASSES; i++) best = logits[i] > logits[best] ? i : best;
        printf("%s", {name}_classes[best]);
        for (int i = 0; i < {upper}_CLASSES; i++) printf(" %.6g", {shown});
        printf("\\n");
    }}
    if (file != stdin) fclose(file);
    if (got) {{
        fprintf(stderr, "the last image is cut off: %lu of %lu bytes\\n", (unsigned long)got, (unsigned long)sizeof pixels);
        return 2;
    }}
    return 0;
}}
"""


def makefile_text(stem: str) -> str:
    """A Makefile; ``make -f STEM.mk CC=arm-linux-gnueabihf-gcc`` compiles for another machine."""
    return f"""# make -f {stem}.mk; then ./{stem} IMAGES. Another machine: CC=arm-linux-gnueabihf-gcc, more options: CFLAGS=...
CC ?= cc
CFLAGS ?= -O3 -std=gnu99

{stem}: {stem}.main.c {stem}.c {stem}.h
\t$(CC) $(CFLAGS) -o $@ {stem}.main.c {stem}.c -lm

clean:
\trm -f {stem}
.PHONY: clean
"""
