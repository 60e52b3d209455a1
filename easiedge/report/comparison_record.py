"""``comparison.json``: written, and read back to be drawn again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from easiedge.errors import RunError
from easiedge.plain_values import finite
from easiedge.report.comparison_values import Comparison, Difference, Row
from easiedge.report.paired import PairedDifference, Spread
from easiedge.report.runs.text import json_object

SCHEMA = 1


def as_json(found: Comparison) -> str:
    """Every figure; those that are not finite are null."""
    return json.dumps(finite({"schema": SCHEMA, **asdict(found)}), indent=1, allow_nan=False) + "\n"


def comparison_of(text: str) -> Comparison:
    """What `as_json` wrote.

    Raises:
        RunError: it is something else, or of a later easiedge.
    """
    try:
        record = json_object(text, "comparison.json")
        if record["schema"] != SCHEMA:
            raise RunError(
                f"comparison.json has schema {str(record['schema'])[:40]}, this easiedge reads {SCHEMA}: update it"
            )
        return Comparison(
            record["about"],
            _spread(record["dense"]),
            [Row(**{**row, "accuracy": _spread(row["accuracy"]), "before": _spread(row["before"]), "minus_control": _paired(row["minus_control"])}) for row in record["rows"]],
            [Difference(**{**row, "found": _paired(row["found"])}) for row in record["differences"]],
            record["notes"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"this is no comparison.json of easiedge compare ({type(error).__name__}: {str(error)[:200]}): run it again"
        ) from error


def _spread(record: Mapping[str, Any]) -> Spread:
    return Spread(**{**record, "mean": math.nan if record["mean"] is None else record["mean"]})


def _paired(record: Mapping[str, Any] | None) -> Any:
    if record is None:
        return None
    return PairedDifference(**{**record, "seeds": tuple(record["seeds"]), "spread": _spread(record["spread"])})
