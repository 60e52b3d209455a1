"""Fisher information of single weights: gradients of every image by every weight, and their squares.

    F = mean over images of J' (diag(p) - p p') J,   J = dz/dw  [classes, weights]
      = G'G / images,   rows G of `easiedge.scoring.taylor_information_gain`'s probes, by the weights instead of the gates

For the softmax with cross entropy this is the Gauss-Newton matrix of the loss, and the Hessian of the information gain at the network
itself.  The networks that the second-order methods assume are trained to a minimum, where it is the Hessian's usual stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from easiedge.scoring.batches import Batches, logits_of, on_device
from easiedge.scoring.gate_gradients import frozen
from easiedge.scoring.taylor_information_gain import probe_vectors
from easiedge.scoring.weight_gradients import Call, input_patches, output_deltas, tapped

FLOATS = 2**25  # gradients or input patches that are held at once (128 MB in float32)


@dataclass(frozen=True, eq=False)
class ProbedBatch:
    """One batch and one probe vector.

    Attributes:
        calls: the runs of each layer.
        deltas: the gradient by the layer's output, for each run.
        images: of the batch, counted with its first vector and 0 with the others.
    """

    calls: Mapping[str, list[Call]]
    deltas: Mapping[str, list[Tensor]]
    images: int


def probed(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Batches,
    criterion: str,
    probe: str,
    passes: int,
    seed: int,
) -> Iterator[ProbedBatch]:
    """Run every batch, differentiate by the outputs of ``layers`` once for each probe vector; no labels are needed."""
    vectors, generator = probe_vectors(probe, passes), torch.Generator().manual_seed(seed)
    with frozen(network):
        for number, (x, _) in enumerate(on_device(network, batches, criterion)):
            with torch.enable_grad(), tapped(network, list(layers)) as calls:
                logits = logits_of(network(x), number)
            p, zeros = logits.detach().softmax(1), [call.zero for layer in layers for call in calls[layer]]
            images = len(p)
            for vector in vectors(p, generator):
                found = iter(
                    torch.autograd.grad(
                        logits, zeros, vector.to(logits), retain_graph=True, allow_unused=True, materialize_grads=True
                    )
                )
                yield ProbedBatch(calls, {layer: [next(found) for _ in calls[layer]] for layer in layers}, images)
                images = 0


def image_gradients(module: nn.Module, calls: list[Call], deltas: list[Tensor]) -> Iterator[Tensor]:
    """The gradients of each image by a layer's weight ``[images, outputs, width]``, some images at a time; the runs are summed."""
    groups, images = int(getattr(module, "groups", 1)), len(deltas[0])
    weights = sum(p.numel() for n, p in module.named_parameters(recurse=False) if n.startswith("weight"))
    rows = max(call.a[0].numel() for call in calls) * _kernel(module)
    step = max(1, FLOATS // max(weights, rows))
    for start in range(0, images, step):
        part, total = slice(start, start + step), None
        for call, delta in zip(calls, deltas, strict=True):
            gradient = output_deltas(module, delta[part], groups) @ input_patches(module, call.a[part], delta)
            total = gradient if total is None else total + gradient
        assert total is not None
        yield total.flatten(1, 2)  # [images, outputs, width]


def _kernel(module: nn.Module) -> int:
    size = 1
    for k in getattr(module, "kernel_size", ()):
        size *= int(k)
    return size


def fisher_diagonal(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Batches,
    *,
    probe: str = "sketch",
    passes: int = 1,
    seed: int = 0,
    criterion: str = "optimal_brain_damage",
) -> dict[str, Tensor]:
    """The diagonal of F, float64 on the CPU, in the shape of each weight; ``probe``, ``passes`` and ``seed`` as in `fisher_rows`."""
    total = {name: torch.zeros(m.weight.shape, dtype=torch.float64) for name, m in layers.items()}  # type: ignore[arg-type]
    images = 0
    for batch in probed(network, layers, batches, criterion, probe, passes, seed):
        images += batch.images
        for name, module in layers.items():
            calls, deltas = batch.calls[name], batch.deltas[name]
            if isinstance(module, nn.Linear) and len(calls) == 1 and calls[0].a.ndim == 2:
                squares = deltas[0].square().mT @ calls[0].a.square()  # one position: the square of a product
            else:
                squares = sum((g.square().sum(0) for g in image_gradients(module, calls, deltas)), torch.tensor(0.0))
            total[name] += squares.double().cpu().reshape(total[name].shape)
    return {name: value / images for name, value in total.items()}
