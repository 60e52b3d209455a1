"""What a run leaves in Weights & Biases beside its curves: summary, tables, pictures, and the smaller network as an artifact.

All of it works offline: the run's file holds it and ``wandb sync`` sends it later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger


def run_of(logger: Logger) -> Any | None:
    """The logger's W&B run; None where it logs elsewhere."""
    experiment: Any = logger.experiment
    return experiment if hasattr(experiment, "summary") else None


def log_summary(run: Any, figures: Mapping[str, Any], iterations: Sequence[Mapping[str, Any]] = ()) -> None:
    """Closing figures, and those of the last of ADMM's ``iterations`` under the names of their curves."""
    last = {
        f"admm/{name}": value for name, value in (iterations[-1] if iterations else {}).items() if value is not None
    }
    run.summary.update({**figures, **last, **({"admm/iterations": len(iterations)} if iterations else {})})


def shorter(name: str) -> str:
    """Names that tell figures apart in their first letters, which is all that narrow columns show."""
    return name.replace("budget/achieved/", "got/").replace("budget/requested/", "asked/")


def log_media(run: Any, tables: Mapping[str, Sequence[Mapping[str, Any]]], pictures: Mapping[str, Path]) -> None:
    """Tables, each a sequence of rows, and pictures, by name."""
    import wandb

    found: dict[str, Any] = {name: wandb.Image(str(path)) for name, path in pictures.items()}
    for name, rows in tables.items():
        columns = list(dict.fromkeys(key for row in rows for key in row))
        found[name] = wandb.Table(columns=columns, data=[[row.get(c) for c in columns] for row in rows])
    with _staged_beside(run):
        run.log(found)


def log_network(run: Any, directory: Path, name: str, figures: Mapping[str, Any]) -> None:
    """The files in ``directory`` as an artifact of type ``model`` with ``figures`` as its metadata.

    The artifact names the files where they are, without a copy, so they must still be there when an offline run is synced.
    """
    import wandb

    artifact = wandb.Artifact(artifact_name(name), type="model", metadata=dict(figures))
    artifact.add_dir(str(directory.resolve()), policy="immutable")
    run.log_artifact(artifact)


def artifact_name(text: str) -> str:
    """``text`` with what W&B does not allow in names replaced by hyphens, 128 characters at most."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")[:128] or "network"


@contextmanager
def _staged_beside(run: Any) -> Iterator[None]:
    """Copies that W&B makes of a table for its artifact stay with the run, where ``wandb sync`` finds them, not in the user's home."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(Path(run.dir).resolve().parent)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
