"""What a refit by positions saves where there are fewer of them than inputs: python experiments/compensation/few_positions.py.

A 3x3 convolution of VGG-16's last block, 512 inputs to 512 outputs, on 2x2 pixels; both ways on the same inputs, in turns, with one thread.
"""

import statistics
import time

import torch
from torch import nn

from easiedge.surgery.few_positions import change_by_positions
from easiedge.surgery.normal_equations import NormalEquations

ROUNDS = 3
RIDGE = 1e-3


def by_unknowns(start, inputs, errors):
    """The normal equations, one batch."""
    equations = NormalEquations(start, offset=True)
    equations.add(inputs, errors)
    return equations.change(RIDGE)


def by_positions(start, inputs, errors):
    """The dual."""
    return change_by_positions(inputs.double(), errors.double(), True, RIDGE)


def main():
    """Print a line of Markdown for each number of images."""
    torch.set_num_threads(1)
    layer = nn.Conv2d(512, 512, 3)
    start = torch.cat([layer.weight.detach().flatten(1), layer.bias.detach()[:, None]], 1).double()[None]
    print(
        "| images | positions | seconds by unknowns | by positions | times faster | largest difference of a weight, of the largest change | with all of it in float64 |"
    )
    print("|---|---|---|---|---|---|---|")
    for images in (64, 256, 512, 1024):
        made = torch.Generator().manual_seed(images)
        inputs = torch.randn(1, 4 * images, start.shape[2] - 1, generator=made).relu()
        errors = torch.randn(1, 4 * images, start.shape[1], generator=made)
        seconds, found = {by_unknowns: [], by_positions: []}, {}
        for _ in range(ROUNDS):
            for way, took in seconds.items():
                begun = time.perf_counter()
                found[way] = way(start, inputs, errors)
                took.append(time.perf_counter() - begun)
        slow, fast = (statistics.median(took) for took in seconds.values())
        right = by_unknowns(start, inputs.double(), errors.double())
        apart = [
            float((one - found[by_positions]).abs().max() / right.abs().max()) for one in (found[by_unknowns], right)
        ]
        print(
            f"| {images} | {4 * images} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} | {apart[0]:.0e} | {apart[1]:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
