"""Ask for what nobody should, and damage every file that easiedge reads, for as long as is given; counts what is not answered as it should be.

python experiments/fault_injection/fuzz.py --minutes 10 --out results
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import platform
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parents[2] / "tests")]

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

MEMORY = 16 << 30  # bytes of address space that anything may take
HANG = 60  # seconds


class Hang(BaseException):
    """Something took too long."""


def hang(*_):
    raise Hang


def drawn(strategy, begin, minutes, judge):
    """Judge one drawing after the other until the time is over."""
    end = time.monotonic() + 60 * minutes

    @seed(begin)
    @settings(
        max_examples=10**9,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(value):
        if time.monotonic() > end:
            raise KeyboardInterrupt
        judge(value)

    with contextlib.suppress(KeyboardInterrupt):
        each()


def answered(ask):
    """What is wrong with an answer; a hang too."""
    signal.alarm(HANG)
    try:
        return ask()
    except Hang:
        return f"over {HANG} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.alarm(0)


def requests_tried(minutes, begin):
    """Overrides of ``easiedge prune``."""
    from hostile import requests

    tried, statuses, crashes = 0, Counter(), {}
    said = io.StringIO()

    def judge(overrides):
        nonlocal tried
        said.seek(0)
        said.truncate()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            wrong = answered(lambda: requests.asked(overrides, Path("run").absolute(), lambda: ("", said.getvalue())))
        tried += 1
        statuses[
            "refused" if "easiedge: " in said.getvalue() and "interrupted" not in said.getvalue() else "taken"
        ] += 1
        if wrong is not None:
            crashes.setdefault(wrong[:80], []).append(overrides)

    drawn(requests.overrides, begin, minutes, judge)
    return {
        "tried": tried,
        **statuses,
        "crashes": {kind: {"count": len(o), "first": o[0]} for kind, o in crashes.items()},
    }


def files_tried(minutes, begin):
    """Damaged files of every kind."""
    from hostile import files

    folder = Path("files").absolute()
    folder.mkdir()
    files.write_all(folder)
    tried, crashes = Counter(), {}

    def judge(drawing):
        name, number = drawing
        wrong = answered(lambda: files.wrong(name, folder, number))
        tried[name] += 1
        if wrong is not None:
            crashes.setdefault(f"{name}: {wrong[:80]}", []).append(number)

    drawn(st.tuples(st.sampled_from(list(files.READERS)), st.integers(0, 2**62)), begin, minutes, judge)
    found = {kind: {"count": len(s), "first seed": s[0]} for kind, s in crashes.items()}
    return {"tried": sum(tried.values()), "by kind": dict(sorted(tried.items())), "crashes": found}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE.parent / "results")
    options = parser.parse_args()
    out = options.out.absolute()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        os.environ["EASIEDGE_CACHE"] = work
        record = {
            "files": files_tried(options.minutes / 2, options.seed),
            "requests": requests_tried(options.minutes / 2, options.seed),
            "minutes": options.minutes, "seed": options.seed, "memory": MEMORY,
            "versions": {"torch": str(torch.__version__), "python": platform.python_version()},
        }  # fmt: skip
        os.chdir("/")
    out.mkdir(parents=True, exist_ok=True)
    (out / "fuzz.json").write_text(json.dumps(record, indent=1) + "\n")
    print(
        json.dumps(
            {
                name: {"tried": record[name]["tried"], "crashes": record[name]["crashes"]}
                for name in ("files", "requests")
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
