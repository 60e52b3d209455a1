"""The parser of commands with arguments of their own: its complaints are one sentence, as everywhere in easiedge."""

from __future__ import annotations

import argparse
from typing import NoReturn

from easiedge.errors import EasiEdgeError


class ArgumentParser(argparse.ArgumentParser):
    """``argparse``'s, which raises instead of printing and exiting.

    Args:
        command: such as ``easiedge report``.
        usage_line: what a complaint ends with: the command and its arguments.
        description: for ``--help``.
    """

    def __init__(self, command: str, usage_line: str, description: str) -> None:
        super().__init__(command, allow_abbrev=False, description=description)
        self.usage_line = usage_line

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            EasiEdgeError: what is wrong, and how it would be right.
        """
        raise EasiEdgeError(f"{message}: {self.usage_line} ({self.prog} --help)")
