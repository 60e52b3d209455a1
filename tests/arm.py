"""A C export cross-compiled for ARM by zig and run in the Unicorn processor emulator: logits, and instructions counted.

Instructions, not time: how many cycles one takes, caches and memory are not emulated.  They are counted by basic block (Thumb: with
those whose condition does not hold).  Unicorn's processor is QEMU's (GPL-2.0), which is
why easiedge itself never imports it.
"""

import struct
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import torch

from easiedge.deploy.c.compiler import zig
from easiedge.deploy.c.fixed_numbers import FRACTION
from easiedge.deploy.export.c_format import macro

_PAGE = 1 << 16
_STACK, _STACK_SIZE = 0x70000000, 1 << 20
_DATA = 0x60000000  # image and logits
_RETURN = 0x50000000
_START = """
#include <stddef.h>
#include "{name}.h"
volatile int layer_now;
void *memcpy(void *restrict to, const void *restrict from, size_t count)
{{
    for (size_t i = 0; i < count; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}}
void *memset(void *to, int value, size_t count)
{{
    for (size_t i = 0; i < count; i++) ((char *)to)[i] = (char)value;
    return to;
}}
int (*volatile kept)(const {number} *, {number} *) = {name}_run;
void _start(void)
{{
    for (;;) kept(0, 0);
}}
"""


@dataclass(frozen=True)
class Processor:
    """What is compiled for.

    Attributes:
        options: of zig's compiler.
        bits: of its addresses.
    """

    name: str
    options: tuple[str, ...]
    bits: int


AARCH64 = Processor("aarch64 (NEON)", ("-target", "aarch64-freestanding"), 64)
ARM1176 = Processor(
    "ARM1176 (ARMv6, as in a Pi Zero)",
    ("-target", "arm-freestanding-eabihf", "-mcpu=arm1176jzf_s", "-lcompiler_rt"),
    32,
)
CORTEX_M4 = Processor(
    "Cortex-M4F", ("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-mfloat-abi=hard"), 32
)


def compiled(source: Path, processor: Processor, folder: Path, fixed: bool = False) -> Path:
    """``source`` with what lies beside it as a program without an operating system."""
    name, made = source.stem, (folder / f"{source.stem}-{processor.bits}.elf").resolve()
    start, declared = folder / "start.c", folder / "layer_now.h"
    start.write_text(_START.format(name=name, number="int32_t" if fixed else "float"))
    declared.write_text("extern volatile int layer_now;\n")
    subprocess.run(
        [
            *zig(), *processor.options, "-O3", "-std=gnu99", "-nostdlib", "-fno-builtin", f"-I{source.parent.resolve()}",
            f"-D{name.upper()}_ON_LAYER(number)=(layer_now = (number))", "-include", str(declared.resolve()), source.name,
            str(start.resolve()), "-o", str(made),
        ],
        cwd=source.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return made


@dataclass
class Elf:
    """Segments, sections and symbols of an ELF file (System V ABI, chapters 4 and 5)."""

    content: bytes
    bits: int
    segments: list[tuple[int, int, bytes]] = field(default_factory=list)  # address, size in memory, bytes
    sizes: Counter = field(default_factory=Counter)  # bytes of sections by name
    symbols: dict[str, tuple[int, int]] = field(default_factory=dict)  # address, size

    def __post_init__(self):
        head = "<16xHHIQQQIHHHHHH" if self.bits == 64 else "<16xHHIIIIIHHHHHH"
        _, _, _, _, ph, sh, _, _, ph_size, ph_count, sh_size, sh_count, names_at = struct.unpack_from(
            head, self.content
        )
        for k in range(ph_count):
            if self.bits == 64:
                kind, _, at, address, _, length, size, _ = struct.unpack_from(
                    "<IIQQQQQQ", self.content, ph + k * ph_size
                )
            else:
                kind, at, address, _, length, size, _, _ = struct.unpack_from(
                    "<IIIIIIII", self.content, ph + k * ph_size
                )
            if kind == 1:
                self.segments.append((address, size, self.content[at : at + length]))
        form = "<IIQQQQIIQQ" if self.bits == 64 else "<IIIIIIIIII"
        sections = [struct.unpack_from(form, self.content, sh + k * sh_size) for k in range(sh_count)]
        for section in sections:
            self.sizes[self._name(sections[names_at][4], section[0])] += section[5]
            if section[1] == 2:
                self._read_symbols(section, sections[section[6]][4])

    def _read_symbols(self, section, names):
        form = "<IBBHQQ" if self.bits == 64 else "<IIIBBH"
        for at in range(section[4], section[4] + section[5], struct.calcsize(form)):
            entry = struct.unpack_from(form, self.content, at)
            address, size = (entry[4], entry[5]) if self.bits == 64 else (entry[1], entry[2])
            self.symbols[self._name(names, entry[0])] = (address, size)

    def _name(self, names, at):
        return self.content[names + at : self.content.index(b"\0", names + at)].decode()


@dataclass(frozen=True)
class Run:
    """What came of one image: logits ``[classes]``, instructions in all, and by layer (-1: before the first), deepest stack in bytes."""

    logits: torch.Tensor
    instructions: int
    by_layer: dict[int, int]
    stack: int


class Emulated:
    """The function of a C export in an emulated processor."""

    def __init__(self, source: Path, processor: Processor, folder: Path, fixed: bool = False) -> None:
        import unicorn

        self.source, self.processor, self.fixed = source, processor, fixed
        self.thumb = processor is CORTEX_M4
        self.elf = Elf(compiled(source, processor, folder, fixed).read_bytes(), processor.bits)
        if processor.bits == 64:
            self.machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        else:
            from unicorn import arm_const as a32

            # the emulator cannot switch a Cortex-M's floating point on; its instructions are a part of what a Cortex-A15 knows
            self.machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB if self.thumb else unicorn.UC_MODE_ARM)
            self.machine.ctl_set_cpu_model(a32.UC_CPU_ARM_CORTEX_A15 if self.thumb else a32.UC_CPU_ARM_1176)
            self.machine.reg_write(a32.UC_ARM_REG_C1_C0_2, 0xF << 20)
            self.machine.reg_write(a32.UC_ARM_REG_FPEXC, 1 << 30)
        pages = {a // _PAGE for start, size, _ in self.elf.segments for a in range(start, start + size + _PAGE, _PAGE)}
        for page in sorted(pages):
            self.machine.mem_map(page * _PAGE, _PAGE)
        for start, _, content in self.elf.segments:
            self.machine.mem_write(start, content)
        for start, size in ((_STACK, _STACK_SIZE), (_DATA, 1 << 24), (_RETURN, _PAGE)):
            self.machine.mem_map(start, size)
        self.layer, self.counts = -1, Counter()
        self.machine.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        at = self.elf.symbols["layer_now"][0]
        self.machine.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._begin_layer, begin=at, end=at + 3)

    def _block(self, machine, address, size, data):
        self.counts[self.layer] += self._instructions(address, size)

    def _begin_layer(self, machine, access, address, size, value, data):
        self.layer = value

    @cached_property
    def _instructions(self):
        if not self.thumb:
            return lambda address, size: size // 4

        @lru_cache(None)
        def thumb(address, size):  # two or four bytes, which the first five bits say
            halves, count, at = struct.unpack(f"<{size // 2}H", self.machine.mem_read(address, size)), 0, 0
            while at < len(halves):
                at += 2 if halves[at] >> 11 in (0b11101, 0b11110, 0b11111) else 1
                count += 1
            return count

        return thumb

    def run(self, image: torch.Tensor) -> Run:
        """One image ``[channels, height, width]``."""
        name = self.source.stem
        classes = macro(self.source.with_suffix(".h"), f"{name.upper()}_CLASSES")
        values = image.permute(1, 2, 0).contiguous().numpy()
        pixels = (
            (values * 2.0**FRACTION).round().astype("<i4").tobytes() if self.fixed else values.astype("<f4").tobytes()
        )
        logits = _DATA + (len(pixels) + 63) // 64 * 64
        self.machine.mem_write(_DATA, pixels)
        self.machine.mem_write(_STACK, b"\xa5" * _STACK_SIZE)
        self.layer, self.counts = -1, Counter()
        self._call(self.elf.symbols[f"{name}_run"][0], _DATA, logits)
        kind = torch.int32 if self.fixed else torch.float32
        found = torch.frombuffer(bytearray(self.machine.mem_read(logits, 4 * classes)), dtype=kind)
        if self.fixed:
            found = found / 2.0**FRACTION
        untouched = len(memory := bytes(self.machine.mem_read(_STACK, _STACK_SIZE))) - len(memory.lstrip(b"\xa5"))
        return Run(found, self.counts.total(), dict(self.counts), _STACK_SIZE - untouched)

    def _call(self, function, image, logits):
        from unicorn import arm64_const as a64
        from unicorn import arm_const as a32

        if self.processor.bits == 64:
            registers = (a64.UC_ARM64_REG_X0, a64.UC_ARM64_REG_X1, a64.UC_ARM64_REG_SP, a64.UC_ARM64_REG_LR)
            status, back = a64.UC_ARM64_REG_X0, _RETURN
        else:
            registers = (a32.UC_ARM_REG_R0, a32.UC_ARM_REG_R1, a32.UC_ARM_REG_SP, a32.UC_ARM_REG_LR)
            status, back = a32.UC_ARM_REG_R0, _RETURN | self.thumb
        for register, value in zip(registers, (image, logits, _STACK + _STACK_SIZE, back), strict=True):
            self.machine.reg_write(register, value)
        self.machine.emu_start(function | self.thumb, _RETURN)
        assert self.machine.reg_read(status) == 0
