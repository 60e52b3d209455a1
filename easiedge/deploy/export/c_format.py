"""C99 for anything that has a compiler: microcontrollers, ARM boards, programs without an engine.

``pruned.c`` and ``pruned.h`` stand alone; ``pruned.main.c`` and ``pruned.mk`` make a program of them that reads images.  The weights of small networks are text in the ``.c`` file, which every tool chain takes; those
of large ones are in ``pruned.weights.bin``, which the assembler puts into the program: gcc takes minutes and gigabytes for millions of
numbers as text.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from easiedge.atomic import write_atomically
from easiedge.deploy.c.compiler import compiler_version, host_compiler, shared_object, temporary_folder
from easiedge.deploy.c.fixed_numbers import FRACTION, LARGEST
from easiedge.deploy.c.fixed_source import fixed_header_text, fixed_source_text
from easiedge.deploy.c.header import header_text
from easiedge.deploy.c.lower import lower
from easiedge.deploy.c.memory_plan import plan_memory
from easiedge.deploy.c.program_files import main_text, makefile_text
from easiedge.deploy.c.source import source_text
from easiedge.deploy.c.text import identifier
from easiedge.deploy.export.engine_format import Runner
from easiedge.deploy.image_input import image_input
from easiedge.errors import ModelError

MOST_AS_TEXT = 262_144  # weights: 1 MiB
_HEADER, _WEIGHTS, _MAIN, _MAKEFILE = ".h", ".weights.bin", ".main.c", ".mk"


class C:
    """``.c`` with ``.h``, compiled by this machine's compiler to be compared."""

    name, suffix, dynamic_batch = "c", ".c", False
    beside: tuple[str, ...] = (_HEADER, _WEIGHTS, _MAIN, _MAKEFILE)

    def engine(self) -> Mapping[str, Any]:
        """The compiler."""
        command = host_compiler()
        return {"engine": "c", "version": compiler_version(command)}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Lower the network, plan its memory, write the files."""
        form = image_input(json.loads(metadata["easiedge"]), path.name)
        program = lower(network, example)
        if program.classes != len(form.classes):
            raise ModelError(
                f"the network gives {program.classes} numbers for an image, and {len(form.classes)} classes are named"
            )
        plan, name = plan_memory(program), name_of(path)
        large = program.weights > MOST_AS_TEXT
        if large:
            values = np.concatenate([v for _, v in program.constants]).astype("<f4")
            write_atomically(path.with_suffix(_WEIGHTS), values.tobytes())
        write_atomically(path.with_suffix(_HEADER), header_text(program, plan, name))
        weights_file = path.with_suffix(_WEIGHTS).name if large else None
        write_atomically(path, source_text(program, plan, form, name, weights_file))
        write_program(path, name, fixed=False)

    def runner(self, path: Path, threads: int) -> Runner:
        """The compiled function, image by image, on one thread."""
        name = identifier(path.stem)
        with temporary_folder() as folder:  # a library that is loaded stays when its file goes
            library = ctypes.CDLL(str(shared_object(path, Path(folder))))
        function = getattr(library, f"{name}_run")
        function.restype, function.argtypes = ctypes.c_int, (ctypes.c_void_p, ctypes.c_void_p)
        classes = macro(path.with_suffix(_HEADER), f"{name.upper()}_CLASSES")

        def run(images: Tensor) -> Tensor:
            pixels = images.detach().float().permute(0, 2, 3, 1).contiguous()
            logits = torch.empty(len(pixels), classes)
            for image, row in zip(pixels, logits, strict=True):
                if function(image.data_ptr(), row.data_ptr()):
                    raise ModelError(f"{path.name} refuses an image")
            return logits

        return run


class FixedC(C):
    """``_fixed.c``: the same in fixed point, for processors that multiply whole numbers faster than others."""

    name, suffix = "c_fixed", "_fixed.c"
    beside = (_HEADER, _MAIN, _MAKEFILE)

    def engine(self) -> Mapping[str, Any]:
        """The compiler."""
        return {**super().engine(), "precision": "fixed point"}

    def write(self, network: fx.GraphModule, example: Tensor, path: Path, metadata: Mapping[str, str]) -> None:
        """Lower the network to windows inside images, give every weight array its digits, write the files."""
        form = image_input(json.loads(metadata["easiedge"]), path.name)
        program = lower(network, example, fixed=True)
        if program.classes != len(form.classes):
            raise ModelError(
                f"the network gives {program.classes} numbers for an image, and {len(form.classes)} classes are named"
            )
        plan, name = plan_memory(program), name_of(path)
        write_atomically(path.with_suffix(_HEADER), fixed_header_text(program, plan, name))
        write_atomically(path, fixed_source_text(program, plan, form, name))
        write_program(path, name, fixed=True)

    def runner(self, path: Path, threads: int) -> Runner:
        """The compiled function, with images and logits as whole numbers."""
        name = identifier(path.stem)
        with temporary_folder() as folder:
            library = ctypes.CDLL(str(shared_object(path, Path(folder))))
        function = getattr(library, f"{name}_run")
        function.restype, function.argtypes = ctypes.c_int, (ctypes.c_void_p, ctypes.c_void_p)
        classes = macro(path.with_suffix(_HEADER), f"{name.upper()}_CLASSES")

        def run(images: Tensor) -> Tensor:
            pixels = images.detach().double().permute(0, 2, 3, 1).mul(2.0**FRACTION).round()
            if float(pixels.abs().max()) > LARGEST:
                raise ModelError(f"{path.name} takes numbers under {2**15}: export it as float, --to c")
            whole, logits = pixels.int().contiguous(), torch.empty(len(pixels), classes, dtype=torch.int32)
            for image, row in zip(whole, logits, strict=True):
                if function(image.data_ptr(), row.data_ptr()):
                    raise ModelError(f"{path.name} refuses an image")
            return logits.float() / 2.0**FRACTION

        return run


def name_of(path: Path) -> str:
    """The name of the network at ``path`` in C, which begins the names of all that it declares.

    Raises:
        ModelError: it is no identifier of C.
    """
    name = identifier(path.stem)
    if name != path.stem:
        raise ModelError(
            f"{path.name}: {path.stem!r} is no name in C: call the file {name}.c, say, of letters, digits and _"
        )
    return name


def write_program(path: Path, name: str, fixed: bool) -> None:
    """A program and a Makefile beside the network at ``path``."""
    write_atomically(path.with_suffix(_MAIN), main_text(name, fixed))
    write_atomically(path.with_suffix(_MAKEFILE), makefile_text(path.stem))


def macro(header: Path, name: str) -> int:
    """The number that a macro of the header stands for."""
    words = (line.split() for line in header.read_text(encoding="utf-8").splitlines())
    return next(int(line[2]) for line in words if line[:2] == ["#define", name])
