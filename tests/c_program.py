"""A network exported to C for tests, and what its compiled function says."""

import json
from pathlib import Path

import torch
from torch import nn

from easiedge.deploy.c import compiler
from easiedge.deploy.export.c_format import C, FixedC
from easiedge.deploy.export.ready import ready

STRICT = ("-O0", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror")


def metadata(shape, classes, mean=(0.0,), std=(1.0,)):
    """What an export is told about images and classes."""
    about = {"input": {"shape": list(shape), "mean": list(mean), "std": list(std)}, "classes": list(classes)}
    return {"easiedge": json.dumps(about)}


@torch.no_grad()
def write_c(
    net: nn.Module, x: torch.Tensor, folder: Path, name: str = "network", classes=None, fixed=False, **about
) -> Path:
    """The C file of ``net`` for images like ``x``."""
    names = classes or [str(k) for k in range(net(x[:1]).shape[1])]
    path = folder / f"{name}.c"
    (FixedC() if fixed else C()).write(
        ready(net), torch.cat([x[:1], x[-1:]]), path, metadata(x.shape[1:], names, **about)
    )
    return path


def strict(monkeypatch):
    """C99 to the letter, and every warning an error."""
    monkeypatch.setattr(compiler, "FLAGS", STRICT)


def says(path: Path, x: torch.Tensor, fixed: bool = False) -> torch.Tensor:
    """Logits of the compiled file."""
    return (FixedC() if fixed else C()).runner(path, 1)(x)
