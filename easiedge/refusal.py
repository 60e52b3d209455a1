"""Whose fault an error is: a wrong request gets one sentence, everything else broke while running."""

from __future__ import annotations

import errno

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)  # what a disk, and no wrong path, answers


def wrong_request(error: BaseException | None) -> str | None:
    """The message if the error, or what it was raised from, says that the request was wrong; else None."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from easiedge.errors import EasiEdgeError

    seen: set[int] = set()
    hydra_message = None
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, EasiEdgeError):
            return str(error)
        if isinstance(error, HydraException | OmegaConfBaseException):
            hydra_message = hydra_message or first_line(error)
        if isinstance(error, PermissionError | FileExistsError | NotADirectoryError) or getattr(
            error, "errno", None
        ) in (28, 30):
            where, what = getattr(error, "filename", ""), getattr(error, "strerror", error)
            return f"cannot use {where} ({what}): mend its permissions, free some space, or choose another place (hydra.run.dir=)"
        error = error.__cause__
    return hydra_message


def of_writing(error: BaseException | None) -> bool:
    """Whether the error, or what it was raised from, is that of a file that could not be written: not the request's fault."""
    from easiedge.errors import WriteError

    while error is not None:
        if isinstance(error, WriteError) or getattr(error, "errno", None) in DISK:
            return True
        error = error.__cause__
    return False


def first_line(error: BaseException) -> str:
    """The message in one line; Hydra's lists of available options stay in it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    lines = [
        line
        for line in lines
        if not line.startswith(("full_key:", "object_type=", "Set the environment variable", "Config search path"))
    ]
    text = " ".join(lines[:14]) or type(error).__name__
    return text.split("Config search path")[0].strip()
