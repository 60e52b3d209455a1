"""A C compiler of this machine, and a program made by it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from easiedge.errors import EasiEdgeError, ModelError

FLAGS = ("-O3", "-std=gnu99")
NATIVE = "-march=native"
_COMPILERS = ("cc", "gcc", "clang")


def host_compiler() -> list[str]:
    """The command: ``$CC``, else cc, gcc or clang on the path, else the package ziglang.

    Raises:
        EasiEdgeError: there is none.
    """
    named = shlex.split(os.environ.get("CC", ""))
    if named:
        if shutil.which(named[0]) is None:
            raise EasiEdgeError(
                f"the C compiler that CC names, {named[0]}, is not there: set CC to one that is, or unset it"
            )
        return named
    for each in _COMPILERS:
        if shutil.which(each):
            return [each]
    if importlib.util.find_spec("ziglang") is not None:
        return zig()
    raise EasiEdgeError(
        "a C export is compiled and compared with the artifact, and no C compiler was found: install gcc or clang, or pip install ziglang, or set CC"
    )


def zig() -> list[str]:
    """The compiler of the package ziglang, which also compiles for other machines."""
    return [sys.executable, "-m", "ziglang", "cc"]


def compiler_version(command: Sequence[str]) -> str:
    """The first line of what it says about itself."""
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return (said.stdout.strip().splitlines() or ["unknown"])[0][:100]


def shared_object(source: Path, folder: Path) -> Path:
    """Compile a C file and what lies beside it for this machine, as a shared object in ``folder``.

    Raises:
        ModelError: the compiler refuses it.
    """
    command, made = host_compiler(), folder / f"{source.stem}.so"
    options = [*FLAGS, "-shared", "-fPIC", "-o", str(made.resolve()), source.name, "-lm"]
    said = ""
    for native in ([NATIVE], []):  # not every compiler knows the machine that it runs on
        try:
            done = subprocess.run(
                [*command, *native, *options],
                cwd=source.parent,
                capture_output=True,
                text=True,
                check=False,
                timeout=900,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ModelError(f"{' '.join(command)} does not compile {source.name}: {error}") from error
        if done.returncode == 0:
            return made
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())[:200]
    raise ModelError(f"{' '.join(command)} does not compile {source.name}: {said}")


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for what is compiled."""
    return tempfile.TemporaryDirectory(prefix="easiedge-c-")
