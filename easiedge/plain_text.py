"""Text that came from a file or a file's name, made safe to print."""

from __future__ import annotations

import unicodedata


def plain(text: object) -> str:
    r"""``str(text)`` in one line, every character that a terminal would obey instead of showing written as in Python: ``\x1b``, ``\n``.

    That is whatever does not print: control and format characters (escape sequences, carriage returns, right-to-left overrides), line
    separators, surrogates from file names that are no UTF-8.  Spaces of other widths stay.  Brackets do too: with rich, print the result
    as `rich.text.Text` or with ``markup=False``.
    """
    return "".join(_shown(c) for c in str(text))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
