"""Tables and pictures of collected runs: python experiments/infrastructure_inspection/redraw.py [FOLDER].

FOLDER is where collect.py has put ``results/``: this one by default, whose README.md has marks that the tables go between; elsewhere they are
written to ``FOLDER/tables.md``.
"""

import json
import re
import sys
from pathlib import Path

import pictures
from figures import TITLES
from study import refuse
from tables import TABLES

HERE = Path(__file__).resolve().parent


def main(folder):
    """Write the tables and draw the pictures."""
    paths = {network: folder / "results" / f"{network}.json" for network in TITLES}
    every = {network: json.loads(path.read_text()) for network, path in paths.items() if path.exists()}
    if not every:
        refuse(f"{folder / 'results'} holds none of {', '.join(f'{n}.json' for n in TITLES)}: run collect.py first")
    page = folder / "README.md"
    text = page.read_text() if page.exists() else ""
    rest = []
    for name, make in TABLES.items():
        for network, found in every.items():
            lines, mark = "\n".join(make(found)), f"{name} {network}"
            marked = rf"(<!-- {mark} -->\n).*?(<!-- end of {mark} -->)"
            text, count = re.subn(marked, lambda m, t=lines: f"{m[1]}{t}\n{m[2]}", text, flags=re.S)
            if not count:
                rest.append(f"## {TITLES[network]}: {name}\n{lines}\n")
    if page.exists():
        page.write_text(text)
    if rest:
        (folder / "tables.md").write_text("\n".join(rest))
        print(f"{folder / 'tables.md'}: {len(rest)} tables")
    pictures.accuracy(every, folder / "accuracy.png")
    pictures.layers(every, folder / "layers.png")
    print(f"{folder / 'accuracy.png'}, {folder / 'layers.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
