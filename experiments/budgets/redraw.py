"""The tables of README.md from the saved results: python experiments/budgets/redraw.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = {
    "filters_removed": "filters", "params_removed": "parameters", "macs_removed": "MACs", "artifact_mb_max": "artifact bytes",
    "memory_mb_max": "activation memory", "latency_ms_max": "milliseconds (measured)",
}  # fmt: skip
SHARES = (0.3, 0.5, 0.7, 0.9)


def removed(row: dict[str, Any]) -> str:
    """What went of each limited quantity, in per cent of the dense network; the least of several; or how much could have gone."""
    if "refused" in row:
        return "refused"
    share = min(row["share"] - over for over in row["over"].values())
    return f"{100 * share:.2f}"


def requested_against_achieved() -> None:
    results = [json.loads(p.read_text()) for p in sorted((HERE / "results").glob("*-budgets.json"))]
    print("| network | limited | " + " | ".join(f"{s:.0%}" for s in SHARES) + " |\n|---|---|" + "---|" * len(SHARES))
    missed = most = count = refused = 0
    for result in results:
        kinds = dict.fromkeys(r["kind"] for r in result["rows"])
        for kind in kinds:
            cells = []
            for share in SHARES:
                rows = [r for r in result["rows"] if r["kind"] == kind and r["share"] == share]
                (shown,) = (r for r in rows if (r["criterion"], r["scope"]) == ("joint", "global"))
                cells.append(removed(shown))
                for r in rows:
                    if "refused" in r:
                        refused += 1
                        continue
                    count += 1
                    tolerance = 0.03 * (1 - share) if "latency_ms_max" in r["over"] else 1e-6
                    missed += any(
                        over > (tolerance if field == "latency_ms_max" else 1e-6) for field, over in r["over"].items()
                    )
                    most += r["could_come_back"] if r["scope"] == "global" else 0
            print(f"| {result['network']} | {NAMES.get(kind, kind)} | " + " | ".join(cells) + " |")
    print(
        f"\n{count} choices, {missed} missed; in {most} could one more unit have stayed; {refused} refused as out of reach"
    )
    seconds = {r["network"]: max(x.get("seconds", 0) for x in r["rows"]) for r in results}
    print("slowest projection, seconds:", {k: round(v, 1) for k, v in seconds.items()})


def at_equal_latency() -> None:
    for path in sorted((HERE / "results").glob("*-equal-latency*.json")):
        result = json.loads(path.read_text())
        print(f"\n{result['network']}, compensation {result['compensation']}, dense {result['dense_ms']:.3f} ms")
        print(
            "| ms of dense | by milliseconds: ms, MACs kept, accuracy | by MACs: ms, MACs kept, accuracy | difference (95 %) |\n|---|---|---|---|"
        )
        for r in result["rows"]:
            low, high = (100 * v for v in r["interval"])
            sides = [
                f"{r[f'{s}_ms']:.3f}, {r[f'{s}_macs_kept']:.0%}, {100 * r[f'{s}_accuracy']:.2f} %"
                for s in ("latency", "macs")
            ]
            print(
                f"| {r['share']:.0%} | {sides[0]} | {sides[1]} | {100 * r['difference']:+.2f} ({low:+.2f} to {high:+.2f}) |"
            )


if __name__ == "__main__":
    requested_against_achieved()
    at_equal_latency()
