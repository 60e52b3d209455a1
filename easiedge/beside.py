"""A process beside the first computes the same, shows nothing, and leaves no trace."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


def beside(overrides: Sequence[str], folder: str) -> list[str]:
    """The overrides of a process beside the first: it computes the same, and leaves no trace but in ``folder``."""
    kept = [o for o in overrides if not o.lstrip("+~").startswith(("hydra", "logger"))]
    return [*kept, "logger=none", "trainer.progress=false", "hydra.output_subdir=null", "hydra/job_logging=none",
            "hydra/hydra_logging=none", f"hydra.run.dir={folder}"]  # fmt: skip


@contextmanager
def silent() -> Iterator[None]:
    """Nothing is shown within; what ends the process is said outside."""
    handler = logging.NullHandler()
    logging.getLogger().addHandler(handler)  # or warnings would be shown for want of a handler
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield
