"""The tables and pictures of README.md from the saved results: python experiments/global_vs_layerwise/redraw.py."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from easiedge.report.comparison_files import as_markdown
from easiedge.report.comparison_picture import draw_comparison
from easiedge.report.comparison_record import comparison_of

HERE = Path(__file__).parent

for path in sorted((HERE / "results").glob("*.json")):
    found = comparison_of(path.read_text())
    print(f"## {path.stem}\n\n{as_markdown(found)}")
    png, svg = draw_comparison(found, HERE / path.stem)
    svg.unlink()
    with Image.open(png) as picture:  # small enough for a repository
        picture.reduce(2).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(png, optimize=True)
