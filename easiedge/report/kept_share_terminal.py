"""The kept share of each layer in the terminal: one bar a line, in forward order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from easiedge.report.kept_share import GroupShare, KeptShares

LINES = 30  # more groups than that are folded
THINNEST = 10  # groups that are never folded
WIDEST_BAR = 50
ROOM_FOR_BAR = 18  # names are cut to leave it
EIGHTHS = " ▏▎▍▌▋▊▉"
BLOCKS = "█" + EIGHTHS[1:] + "·"


def print_kept_shares(shares: KeptShares, console: Console | None = None) -> None:
    """Print a bar for each group, as wide as the terminal allows, collapsed ones marked with ``!``.

    Beyond 30 groups, neighbours that keep similar shares are folded into one line with their range; the ten thinnest
    always have a line of their own.
    """
    out = console or Console()
    fancy = _encodes(out.encoding)
    runs = fold([[g] for g in shares.groups])
    more = [f" +{len(run) - 1}" if len(run) > 1 else "" for run in runs]
    counts = _aligned([f"{sum(g.kept for g in run)} of {sum(g.size for g in run)}" for run in runs])
    ranges = _aligned([_range(run) for run in runs])
    marks = [_mark(run) for run in runs]
    figures = [f"  {count}  {span} {mark}".rstrip() for count, span, mark in zip(counts, ranges, marks, strict=True)]
    room = out.width - max(map(len, figures), default=0) - 1
    names = short_names(
        [run[0].name for run in runs], max(8, room - min(ROOM_FOR_BAR, room // 3) - max(map(len, more), default=0))
    )
    labels = [name + rest for name, rest in zip(names, more, strict=True)]
    label = max(map(len, labels), default=0)
    bar = max(5, min(WIDEST_BAR, room - label))
    folded = "; +n: with the n layers after it, which are alike" if len(runs) < len(shares.groups) else ""
    out.print(f"units kept, layer by layer: {shares.overall:.1%} overall{folded}", highlight=False, soft_wrap=True)
    for run, name, text, mark in zip(runs, labels, figures, marks, strict=True):
        line = Text(f"{name:{label}} ")
        drawn = bar_of(sum(g.kept for g in run), sum(g.size for g in run), bar, fancy)
        line.append(drawn, style="red" if mark else "blue").append(text, style="bold red" if mark else "")
        out.print(line, highlight=False, soft_wrap=True)
    if number := sum(g.collapsed for g in shares.groups):
        out.print(
            f"!: {number} of {len(shares.groups)} layers keep under {100 * shares.least:.3g} % of their units",
            highlight=False,
            soft_wrap=True,
        )


def fold(runs: list[list[GroupShare]], lines: int = LINES, thinnest: int = THINNEST) -> list[list[GroupShare]]:
    """Join neighbouring runs until at most ``lines`` are left, those first that keep the most similar shares.

    The ``thinnest`` groups stay alone; with few lines that may leave more of them than asked for.
    """
    runs = list(runs)
    alone = {g.name for g in sorted((g for run in runs for g in run), key=lambda g: g.share)[:thinnest]}
    while len(runs) > lines:
        joins = [
            (max(g.share for g in both) - min(g.share for g in both), len(both), i)
            for i, both in enumerate(a + b for a, b in pairwise(runs))
            if alone.isdisjoint(g.name for g in both)
        ]
        if not joins:
            break
        at = min(joins)[2]
        runs[at : at + 2] = [runs[at] + runs[at + 1]]
    return runs


def bar_of(kept: int, size: int, width: int, fancy: bool) -> str:
    """``width`` characters; anything kept shows, and only what is kept whole is full."""
    steps = 8 if fancy else 1
    filled = round(kept / size * width * steps)
    filled = width * steps if kept == size else min(max(filled, 1), width * steps - 1)
    whole, part = divmod(filled, steps)
    text = ("█" if fancy else "#") * whole + (EIGHTHS[part] if part else "")
    return text + ("·" if fancy else ".") * (width - len(text))


def short_names(names: Sequence[str], width: int) -> list[str]:
    """The names with their words cut, where one is longer than ``width``: digits stay, so that layers can be told apart."""
    for letters in (99, 8, 6, 5, 4, 3, 2, 1):
        cut = [re.sub(r"[^\W\d]+", lambda word: word[0][:letters], name) for name in names]  # noqa: B023
        if all(len(name) <= width for name in cut):
            return cut
    return [name if len(name) <= width else "~" + name[len(name) - width + 1 :] for name in cut]


def _aligned(texts: Sequence[str]) -> list[str]:
    width = max(map(len, texts), default=0)
    return [f"{text:>{width}}" for text in texts]


def _range(run: Sequence[GroupShare]) -> str:
    shares = [100 * g.share for g in run]
    low, high = (f"{share:.{1 if share < 10 or len(run) == 1 else 0}f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low}-{high} %"


def _mark(run: Sequence[GroupShare]) -> str:
    number = sum(g.collapsed for g in run)
    return "" if not number else "!" if number == len(run) else f"!{number}"


def _encodes(encoding: str) -> bool:
    try:
        BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
