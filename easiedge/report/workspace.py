"""A prepared W&B workspace: the dashboard of a project opens with the panels that pruning needs.

``easiedge workspace ENTITY/PROJECT`` saves it on the server; ``easiedge workspace FILE.json`` writes its definition to look at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError

NAME = "easiedge"
USAGE = "easiedge workspace ENTITY/PROJECT saves a view on the W&B server; easiedge workspace FILE.json writes its definition"

TRADE_OFFS = ("pruned/macs", "pruned/params", "pruned/filters", "got/macs_removed")  # against test accuracy
ACCURACIES = ("dense/accuracy", "masked/accuracy", "pruned/accuracy_before_finetune", "pruned/accuracy")
ADMM = {
    "Residuals": ("admm/primal_residual", "admm/dual_residual"),
    "rho": ("admm/rho",),
    "Share of gates flipped": ("admm/flipped",),
    "Accuracy with the mask applied": ("admm/masked_accuracy",),
    "Loss of the W-steps": ("admm/train_loss", "admm/val_loss"),
}
FINE_TUNING = {
    "Validation accuracy": ("finetune/val_accuracy",),
    "Loss": ("finetune/train_loss", "finetune/val_loss"),
    "Dense training": ("dense/val_accuracy",),
}
PICTURES = ("picture", "kept_shares")
TABLES = ("layers",)
STEP = "trainer/global_step"


def shown_keys() -> set[str]:
    """Every name of `easiedge prune`'s logs that the workspace shows."""
    curves = [name for panels in (ADMM, FINE_TUNING) for names in panels.values() for name in names]
    return {*TRADE_OFFS, *ACCURACIES, *curves, *PICTURES, *TABLES, STEP}


def workspace(entity: str, project: str, name: str = NAME) -> Any:
    """The workspace as a value of the package wandb-workspaces; nothing is sent.

    Raises:
        EasiEdgeError: the package is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
        import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise EasiEdgeError(
            "a W&B workspace needs the package wandb-workspaces: pip install 'easiedge[workspace]'"
        ) from error

    def lines(panels: dict[str, tuple[str, ...]]) -> list[Any]:
        return [wr.LinePlot(title=title, x=STEP, y=list(names)) for title, names in panels.items()]

    accuracy = wr.SummaryMetric("pruned/accuracy")
    trade_offs = [wr.ScatterPlot(title=f"Test accuracy, {x}", x=wr.SummaryMetric(x), y=accuracy) for x in TRADE_OFFS]
    sections: dict[str, list[Any]] = {
        "Accuracy against cost": [*trade_offs, wr.BarPlot(title="Test accuracy", metrics=list(ACCURACIES))],
        "ADMM": lines(ADMM),
        "Layers": [wr.WeavePanelSummaryTable(table_name=table) for table in TABLES],
        "Pictures": [wr.MediaBrowser(media_keys=[key]) for key in PICTURES],
        "Fine-tuning": lines(FINE_TUNING),
    }
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[ws.Section(name=title, panels=panels, is_open=True) for title, panels in sections.items()],
        settings=ws.WorkspaceSettings(x_axis=STEP),
        runset_settings=ws.RunsetSettings(pinned_columns=[f"summary:{k}" for k in ("pruned/accuracy", *TRADE_OFFS)]),
    )


def definition(space: Any) -> dict[str, Any]:
    """What would be sent to the server, as plain values."""
    found: dict[str, Any] = json.loads(space._to_model().model_dump_json(by_alias=True, exclude_none=True))
    return found


def make_workspace(arguments: Sequence[str]) -> int:
    """``easiedge workspace``: write the definition, or save it on the server; returns the exit status.

    Raises:
        EasiEdgeError: wrong arguments, a package or a key is missing, or the server refuses.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise EasiEdgeError(USAGE)
    target = arguments[0]
    if target.endswith(".json"):
        text = json.dumps(definition(workspace("ENTITY", "PROJECT")), indent=1) + "\n"
        write_atomically(Path(target), text)
        print(f"the workspace's definition is in {target}")
        return 0
    entity, _, project = target.partition("/")
    if not entity or not project or "/" in project:
        raise EasiEdgeError(f"{target!r} is not ENTITY/PROJECT: {USAGE}")
    import wandb

    space = workspace(entity, project)
    if not wandb.login(prompt=False):
        raise EasiEdgeError(
            "saving a workspace finds no key: run wandb login or set WANDB_API_KEY, or give a FILE.json"
        )
    try:
        space.save()
    except Exception as error:  # the package raises whatever its transport does
        raise EasiEdgeError(f"the W&B server did not take the workspace for {target} ({error})") from error
    print(f"the workspace is at {space.url}")
    return 0
