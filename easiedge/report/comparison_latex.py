"""A comparison as LaTeX tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from easiedge.report.comparison_text import TextTable, heading, tables
from easiedge.report.comparison_values import Comparison
from easiedge.report.paired import ASSUMPTIONS

_SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "±": r"$\pm$", "<": r"$<$", ">": r"$>$",
}  # fmt: skip


def latex(text: str) -> str:
    """The text with every sign that LaTeX reads as its own escaped, and a minus before a figure as one."""
    escaped = re.sub("|".join(map(re.escape, _SPECIAL)), lambda found: _SPECIAL[found.group()], " ".join(text.split()))
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", escaped)


def as_latex(found: Comparison) -> str:
    """Rows and differences for ``booktabs``; text from runs is escaped, in comments too."""
    rows, *differences = tables(found)
    blocks = [_tabular(rows), *(f"{_comment(table.title)}\n{_tabular(table)}" for table in differences)]
    notes = "\n".join(map(_comment, (heading(found), ASSUMPTIONS, *found.notes)))
    return f"% needs \\usepackage{{booktabs}}\n{notes}\n" + "\n".join(blocks)


def _comment(text: str) -> str:
    return "% " + " ".join(text.split())


def _tabular(table: TextTable) -> str:
    def escaped(cells: Sequence[str]) -> str:
        line = " & ".join(map(latex, cells))
        guard = "{}" if line.startswith(("[", "*")) else ""  # which the line break before it would take for its own
        return f"  {guard}{line} \\\\"

    columns = "l" * table.texts + "r" * (len(table.head) - table.texts)
    body = "\n".join(map(escaped, table.rows))
    return f"\\begin{{tabular}}{{{columns}}}\n  \\toprule\n{escaped(table.head)}\n  \\midrule\n{body}\n  \\bottomrule\n\\end{{tabular}}\n"
