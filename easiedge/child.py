"""A further Python process that finds what this one finds, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def module_command(name: str) -> list[str]:
    """``python -m NAME`` of this Python.

    Without the ``-P`` a file of the current folder, ``pickle.py`` say, would stand before the library's module of that name, though
    the command ``easiedge`` looks there for nothing.
    """
    return [sys.executable, "-P", "-m", name]


def import_path() -> Mapping[str, str]:
    """The variable that has the other look where this one does, in this order."""
    return {"PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)}
