"""What pruning did to each layer, as rows for ``layers.csv`` and for the logger."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from torch import Tensor, nn

from easiedge.model.count import layer_macs
from easiedge.model.operations import CONVOLUTIONS
from easiedge.report.layer_row import LayerRow
from easiedge.unit import FilterGroup


def layer_rows(
    dense: nn.Module, compact: nn.Module, groups: Sequence[FilterGroup], example_inputs: Tensor
) -> list[LayerRow]:
    """Rows in forward order; a layer that several groups share names them all, one that none holds (the classifier) names none."""
    before, after = layer_macs(dense, example_inputs), layer_macs(compact, example_inputs)
    old, new = dict(dense.named_modules()), dict(compact.named_modules())
    owners: dict[str, list[str]] = {}
    for group in groups:
        for layer in group.layers:
            owners.setdefault(layer, []).append(group.name)
    return [
        LayerRow(
            " ".join(owners.get(layer, [])), layer, _outputs(old[layer]), _outputs(new[layer]),
            _params(old[layer]), _params(new[layer]), before[layer], after[layer],
        )
        for layer in before
        if isinstance(old[layer], (*CONVOLUTIONS, nn.Linear)) and layer in after
    ]  # fmt: skip


def _outputs(module: nn.Module) -> int:
    assert isinstance(module.weight, Tensor)
    return int(module.weight.shape[0])


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def as_csv(rows: Sequence[LayerRow]) -> str:
    """The rows as CSV text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(LayerRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()
