"""Pieces of C text that nothing in a network's names can break out of."""

from __future__ import annotations

import re

import numpy as np

from easiedge.deploy.c.program import FLOAT_MAX, Floats

_A_LINE = 8


def identifier(name: str) -> str:
    """A C identifier like ``name``."""
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    return found if found[:1].isalpha() else f"network_{found}"


def comment(text: str) -> str:
    """Text that may stand in a comment: one line of plain characters, without its end."""
    return re.sub(r"[^A-Za-z0-9 _.,:;()\[\]<>=+|-]", "_", text)


def string(text: str) -> str:
    """A string literal of UTF-8: all but letters, digits and harmless signs as octal escapes, which end after three digits."""
    plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:;()[]{}<>=+*/!#$&'@^`|~"
    octets = text.encode("utf-8", "replace")
    return '"' + "".join(chr(b) if chr(b) in plain else f"\\{b:03o}" for b in octets) + '"'


def number(value: float) -> str:
    """A float constant that reads back bit for bit."""
    if abs(value) >= FLOAT_MAX:
        return "FLT_MAX" if value > 0 else "-FLT_MAX"
    return f"{np.float32(value)!s}f"


def numbers(values: Floats) -> str:
    """Lines of float constants."""
    each = [f"{text}f" for text in values.astype(str).tolist()]
    return "".join(f"    {', '.join(each[at : at + _A_LINE])},\n" for at in range(0, len(each), _A_LINE))
