"""Tables (into README.md, between its marks) and pictures from results/ by: python experiments/compact_models/redraw.py."""

import json
import statistics
from collections import defaultdict
from pathlib import Path

from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
NAMES = {
    "grs": "GRS", "rrs": "RRS", "nwm": "NWM", "information_gain": "single information gain", "joint_information_gain": "joint information gain",
    "jump_grs": "Jump-GRS",
}  # fmt: skip
COLOURS = {"grs": "#1f5fa8", "jump_grs": "#8a5fb0", "joint_information_gain": "#c2702b"}
MUTED = "#5b6773"
ORDER = ["breast_cancer", "two_digits", "simulated_calcium", "mnist"]
LABELS = {"calcium": "simulated_calcium"}


def rows():
    found = [json.loads(line) for line in (HERE / "results" / "trials.jsonl").read_text().splitlines()]
    return [row | {"data": LABELS.get(row["data"], row["data"])} for row in found]


def spread(values, digits=1):
    """Least, largest, mean."""
    return f"{min(values):.{digits}f} / {max(values):.{digits}f} / **{statistics.mean(values):.{digits}f}**"


def percent(found, part, key):
    return [100 * row[part][key] for row in found]


def grouped(found):
    tasks = defaultdict(lambda: defaultdict(list))
    for row in sorted(found, key=lambda row: ORDER.index(row["data"])):
        if row["widths"] is None:
            tasks[row["model"], row["data"]][row["search"]].append(row)
    return tasks


def search_tables(found):
    """One table for each task: every search, min / max / mean over its trials."""
    lines = []
    for (model, data), searches in grouped(found).items():
        lines += [
            "", f"**{model} on {data}**", "",
            "| search | trials | AL [points] | FCI [%] | PCI [%] | candidates | CPU s | of GRS's time |", "|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        base = statistics.mean(r["cpu_seconds"] for r in searches["grs"])
        for name in NAMES:
            if trials := searches.get(name):
                seconds = [r["cpu_seconds"] for r in trials]
                lines.append(
                    f"| {NAMES[name]} | {len(trials)} | {spread(percent(trials, 'structured', 'AL'))} | "
                    f"{spread(percent(trials, 'structured', 'FCI'))} | {spread(percent(trials, 'structured', 'PCI'))} | "
                    f"{statistics.mean(r['candidates'] for r in trials):.0f} | {statistics.mean(seconds):.2f} | {statistics.mean(seconds) / base:.2f} |"
                )  # fmt: skip
    return lines


def reached(trial, target):
    """CPU seconds until a joint search's structure had ``target`` of PCI; None where it never had."""
    total, every = 0.0, sum(seconds for _, seconds in trial["path"])
    for params, seconds in trial["path"]:
        total += seconds
        if 1 - params / trial["dense"]["params"] >= target:
            return trial["cpu_seconds"] * total / every
    return None


def goal_table(found):
    """Joint information gain against GRS: compression in the end, time in the end, and time until GRS's mean PCI was reached."""
    lines = [
        "",
        "| task | PCI, GRS | PCI, joint | whole time | until GRS's mean PCI | trials that reach it |",
        "|---|---|---|---|---|---|",
    ]
    for (model, data), searches in grouped(found).items():
        grs, joint = searches["grs"], searches.get("joint_information_gain", [])
        if not joint:
            continue
        target = statistics.mean(r["structured"]["PCI"] for r in grs)
        seconds = statistics.mean(r["cpu_seconds"] for r in grs)
        times = [t for t in (reached(r, target) for r in joint) if t is not None]
        until = f"{statistics.mean(times) / seconds:.2f}" if times else "-"
        whole = statistics.mean(r["cpu_seconds"] for r in joint) / seconds
        ours = statistics.mean(r["structured"]["PCI"] for r in joint)
        lines.append(
            f"| {model} on {data} | {100 * target:.1f} % | {100 * ours:.1f} % | {whole:.2f} | {until} | {len(times)} of {len(joint)} |"
        )
    return lines


def tq_table(found):
    """Structure and TQ, GRS's and joint information gain's."""
    lines = [
        "",
        "| task | search | | AL [points] | FCI [%] | PCI [%] | zeros | binary digits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (model, data), searches in grouped(found).items():
        for name in ("grs", "joint_information_gain"):
            trials = searches.get(name, [])
            if not trials:
                continue
            for part, label in (("structured", "structure"), ("tq", "after TQ")):
                cells = " | ".join(spread(percent(trials, part, key)) for key in ("AL", "FCI", "PCI"))
                share = statistics.mean(r["tq"]["zeros"][0] / r["tq"]["zeros"][1] for r in trials)
                digits = [r["tq"]["digits"] for r in trials if r["tq"]["digits"] is not None]
                more = f"{share:.0%} | {min(digits)} to {max(digits)}" if part == "tq" else " | "
                lines.append(f"| {model} on {data} | {NAMES[name]} | {label} | {cells} | {more} |")
    return lines


def trend_rows(found):
    trend = defaultdict(lambda: defaultdict(list))
    for row in found:
        if row["widths"] is not None:
            trend[tuple(row["widths"])][row["search"]].append(row)
    return trend


def trend_table(found):
    lines = [
        "",
        "| widths | GRS, CPU s | Jump-GRS | joint information gain | PCI: GRS, Jump-GRS, joint [%] | trials |",
        "|---|---|---|---|---|---|",
    ]
    for widths, searches in sorted(trend_rows(found).items()):
        mean = {name: statistics.mean(r["cpu_seconds"] for r in trials) for name, trials in searches.items()}
        pci = {name: 100 * statistics.mean(r["structured"]["PCI"] for r in trials) for name, trials in searches.items()}
        base = mean.get("grs")
        shown = [
            f"{mean[n]:.2f}" + (f" ({mean[n] / base:.3f})" if base else "") if n in mean else "-"
            for n in ("jump_grs", "joint_information_gain")
        ]
        lines.append(
            f"| {'x'.join(map(str, widths))} | {f'{base:.1f}' if base else 'not run to its end'} | {shown[0]} | {shown[1]} | "
            f"{', '.join(f'{pci[n]:.2f}' if n in pci else '-' for n in COLOURS)} | {max(map(len, searches.values()))} |"
        )
    return lines


def c_table():
    path = HERE / "results" / "c_time.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text())
    lines = [
        "", "| model | network | ns, this machine | less | instructions, ARM1176 | less | aarch64 | less | constants [bytes] |", "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    labels = {"dense": "original", "structured": "structure", "tq": "after TQ", "fixed": "after TQ, fixed point"}
    for name, run in found["runs"].items():
        dense = run["c"]["dense"]
        for key, label in labels.items():
            row = run["c"][key]
            less = [
                f"{100 * (1 - row[k] / dense[k]):.0f} %" if key != "dense" else "" for k in ("ns", "ARM1176", "aarch64")
            ]
            lines.append(
                f"| {name} on {run['data']} | {label} | {row['ns']:.0f} | {less[0]} | {row['ARM1176']:,} | {less[1]} | {row['aarch64']:,} | {less[2]} | {row['bytes']:,} |"
            )
    return lines


def draw_phases(found):
    """The far and the near phase of the first trial of each task with several phases."""
    chosen = [
        r
        for r in found
        if r.get("history") and r["widths"] is None and r["search"] in COLOURS and (r["model"], r["data"]) in PICTURED
    ]
    if not chosen:
        return
    figure = Figure(figsize=(11, 3.1 * len(PICTURED)), layout="constrained")
    axes = figure.subplots(len(PICTURED), 3, squeeze=False, sharey="row")
    for row in chosen:
        at = axes[PICTURED.index((row["model"], row["data"]))][list(COLOURS).index(row["search"])]
        phases = [h[0] for h in row["history"]]
        for phase in dict.fromkeys(phases):
            steps = [k for k, p in enumerate(phases) if p == phase]
            colour = (
                COLOURS["grs"] if phase == "near" else {"far 2": "#8a5fb0", "settling": "#3f8f6b"}.get(phase, "#c2702b")
            )
            values = [100 * row["history"][k][2] for k in steps]
            at.plot(steps, values, ".", color=colour, label=phase, markersize=5)
        at.axhline(100 * row["T"] * row["dense_val"], color=MUTED, linestyle="--", linewidth=1)
        at.set_title(f"{row['model']} on {row['data']}, {NAMES[row['search']]}", fontsize=9)
        at.legend(fontsize=8, frameon=False, loc="lower left")
        at.spines[["top", "right"]].set_visible(False)
        at.set_xlabel("step")
    for line in axes:
        line[0].set_ylabel("validation accuracy [%]\nmean of all candidates")
    figure.savefig(HERE / "phases.png", dpi=130)


PICTURED = [("nn1", "breast_cancer"), ("cnn1", "two_digits")]


def draw_trend(found):
    trend = trend_rows(found)
    if not trend:
        return
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for name, colour in COLOURS.items():
        points = sorted((sum(w), r["cpu_seconds"]) for w, searches in trend.items() for r in searches.get(name, []))
        means = {x: statistics.mean(y for u, y in points if u == x) for x, _ in points}
        axes.plot([x for x, _ in points], [y for _, y in points], ".", color=colour, alpha=0.5)
        axes.plot(list(means), list(means.values()), color=colour, label=NAMES[name])
    axes.set_xscale("log")
    axes.set_yscale("log")
    sizes = sorted(trend)
    axes.set_xticks([sum(w) for w in sizes], ["x".join(map(str, w)) for w in sizes], rotation=20, fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel("widths of the dense network")
    axes.set_ylabel("CPU seconds of a search")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "trend.png", dpi=130)


if __name__ == "__main__":
    found = rows()
    text = (HERE / "README.md").read_text()
    tables = {"searches": search_tables, "goal": goal_table, "tq": tq_table, "trend": trend_table}
    for name, lines in {**{n: table(found) for n, table in tables.items()}, "c": c_table()}.items():
        before, _, rest = text.partition(f"<!-- {name} -->")
        after = rest.partition(f"<!-- end of {name} -->")[2]
        text = f"{before}<!-- {name} -->" + "\n".join(["", *lines, ""]) + f"<!-- end of {name} -->{after}"
    (HERE / "README.md").write_text(text)
    draw_phases(found)
    draw_trend(found)
