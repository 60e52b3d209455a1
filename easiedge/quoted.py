"""Values for Hydra's command line."""

from __future__ import annotations

from pathlib import Path


def quoted(path: Path) -> str:
    """The path as a value in Hydra's grammar."""
    escaped = str(path).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
