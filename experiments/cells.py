"""Finished cells of a long study in one file, so that another machine, or another day, goes on with them.

    python experiments/cells.py pack STUDY_DIR FILE
    python experiments/cells.py unpack FILE STUDY_DIR data.root=... weights=...

What identifies a cell is kept, and what its table needs: config.yaml without the paths, metrics.json and curves.csv.  Unpacked into STUDY_DIR, ``easiedge compare``
with the same settings and hydra.run.dir=STUDY_DIR takes the cells for finished and computes the others.
"""

import gzip
import json
import sys
from pathlib import Path

import yaml

from easiedge.atomic import write_atomically

FILES = ("config.yaml", "metrics.json", "curves.csv")
PATHS = (("data", "root"), ("weights",))  # of this machine


def pack(study: Path, file: Path) -> int:
    """The finished cells of ``study`` as lines of JSON."""
    rows = []
    for cell in sorted((study / "cells").iterdir()):
        if all((cell / name).exists() for name in FILES):
            texts = {name: (cell / name).read_text() for name in FILES}
            config = yaml.safe_load(texts["config.yaml"])
            for path in PATHS:
                _put(config, path, None)
            rows.append(
                json.dumps({"cell": cell.name, **texts, "config.yaml": yaml.safe_dump(config, sort_keys=False)})
            )
    write_atomically(file, gzip.compress("\n".join(rows).encode(), mtime=0))
    return len(rows)


def unpack(file: Path, study: Path, given: dict[str, str]) -> int:
    """Put the cells into ``study``, with the paths of this machine; cells that are there stay as they are."""
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    for row in rows:
        home = study / "cells" / row["cell"]
        if (home / "metrics.json").exists():
            continue
        home.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load(row["config.yaml"])
        for path in PATHS:
            _put(config, path, given.get(".".join(path)))
        texts = {**{name: row[name] for name in FILES}, "config.yaml": yaml.safe_dump(config, sort_keys=False)}
        for name in sorted(texts, key=lambda name: name == "metrics.json"):  # what marks it as finished comes last
            write_atomically(home / name, texts[name])
    return len(rows)


def _put(config: dict, path: tuple[str, ...], value: str | None) -> None:  # type: ignore[type-arg]
    *above, last = path
    for key in above:
        config = config.get(key, {})
    if last in config:
        config[last] = value


if __name__ == "__main__":
    what, one, two, *more = sys.argv[1:]
    if what == "pack":
        print(f"{pack(Path(one), Path(two))} cells packed into {two}")
    else:
        print(f"{unpack(Path(one), Path(two), dict(o.split('=', 1) for o in more))} cells of {one} in {two}")
