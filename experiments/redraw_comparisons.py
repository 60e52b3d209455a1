"""Tables and pictures of an experiment's comparisons from its saved results: python experiments/redraw_comparisons.py experiments/global_vs_layerwise."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from easiedge.report.comparison_files import as_markdown
from easiedge.report.comparison_picture import draw_comparison
from easiedge.report.comparison_record import comparison_of


def main(here: Path) -> None:
    """Print the tables and draw the picture of every ``results/NAME.json``, which is a study's ``comparison.json``."""
    for path in sorted((here / "results").glob("*.json")):
        found = comparison_of(path.read_text())
        print(f"## {path.stem}\n\n{as_markdown(found)}")
        png, svg = draw_comparison(found, here / path.stem)
        svg.unlink()
        with Image.open(png) as picture:  # small enough for a repository
            picture.reduce(2).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(png, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
