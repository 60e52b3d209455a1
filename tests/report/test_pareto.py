"""The Pareto set beside its definition, and its table."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from easiedge.report.pareto import pareto, print_pareto, trials_in

NAMES, DIRECTIONS = ["pruned.val_accuracy", "pruned.macs"], ["maximize", "minimize"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_nothing_in_the_set_is_beaten_and_everything_outside_is(values):
    front = pareto(values, DIRECTIONS)

    def beats(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and a != b

    for i, j in itertools.product(front, range(len(values))):
        assert not beats(values[j], values[i])
    for i in set(range(len(values))) - set(front):
        assert any(beats(values[j], values[i]) for j in front)


def job(folder: Path, number: int, metrics: dict | None, budget: float) -> None:
    (folder / str(number) / ".hydra").mkdir(parents=True)
    (folder / str(number) / ".hydra" / "overrides.yaml").write_text(f"- budget.macs_removed={budget}\n- seed=1\n")
    if metrics is not None:
        (folder / str(number) / "metrics.json").write_text(json.dumps({"pruned": metrics}))


@pytest.fixture
def sweep(tmp_path):
    """Four trials, of which one has failed and one is beaten; the tenth is not sorted before the second."""
    job(tmp_path, 0, {"val_accuracy": 0.9, "macs": 100000, "accuracy": 0.89}, 0.123456789)
    job(tmp_path, 2, {"val_accuracy": 0.95, "macs": 200000, "accuracy": 0.94}, 0.2)
    job(tmp_path, 10, {"val_accuracy": 0.85, "macs": 150000, "accuracy": 0.99}, 0.3)
    job(tmp_path, 3, None, 0.99)
    (tmp_path / "shared").mkdir()
    return tmp_path


def printed(folder):
    console = Console(width=100, record=True, quiet=False, file=(folder / "out.txt").open("w"))
    try:
        print_pareto(folder, NAMES, DIRECTIONS, console)
    finally:
        console.file.close()
    return console.export_text()


def test_the_set_is_printed_with_what_was_tried_and_what_failed(sweep):
    assert [t.job for t in trials_in(sweep, NAMES)] == ["0", "2", "3", "10"]
    text = printed(sweep)
    assert "2 of 3 trials are not beaten" in text and "1 of 4 trials failed (3)" in text
    assert "budget.macs_removed=0.1235" in text and "89.00 %" in text and "seed=1" not in text
    assert text.index("0.9000") < text.index("0.9500") and "0.8500" not in text


def test_half_a_file_is_a_failed_trial_and_only_failures_end_with_status_1(sweep):
    (sweep / "0" / "metrics.json").write_text('{"pruned": {"val_acc')
    assert "2 of 4 trials failed (0, 3)" in printed(sweep)
    for number in ("2", "10"):
        (sweep / number / "metrics.json").unlink()
    with pytest.raises(SystemExit) as stop:
        printed(sweep)
    assert stop.value.code == 1 and "4 of 4 trials failed" in (sweep / "out.txt").read_text()
