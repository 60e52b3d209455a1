"""A worker that dies takes no other cell with it."""

import pytest

from easiedge.compare.cell import CELLS, Cell, Setting
from easiedge.compare.launch_all import launch_all


class Fragile:
    """Runs cells one after the other; a deadly one breaks it, with its directory made and nothing in it."""

    def __init__(self, directory, deadly, local=True, opens=True):
        self.directory, self.deadly, self.local, self.opens = directory, deadly, local, opens
        self.launched = []

    def __call__(self, cells, job):
        self.launched.append([cell.name for cell in cells])
        if not self.opens:
            raise RuntimeError("no workers")
        for cell in cells:
            home = self.directory / CELLS / cell.name
            home.mkdir(parents=True, exist_ok=True)
            if cell.name in self.deadly:
                raise RuntimeError("a worker was killed")
            (home / "metrics.json").write_text("{}")


def cells(count):
    return [Cell(Setting("m", "global", 0.5), seed, str(seed), ()) for seed in range(count)]


def finished(directory):
    return sorted(path.parent.name for path in directory.glob(f"{CELLS}/*/metrics.json"))


@pytest.mark.parametrize("deadly", [{"0"}, {"2"}, {"5"}, {"0", "1", "4"}])
def test_all_but_the_deadly_ones_finish(tmp_path, deadly):
    fragile = Fragile(tmp_path, deadly)
    launch_all(fragile, cells(6), None)
    assert finished(tmp_path) == sorted({str(i) for i in range(6)} - deadly)
    assert len(fragile.launched) <= 2 * len(deadly) + 2


def test_without_a_breakdown_there_is_one_launch(tmp_path):
    fragile = Fragile(tmp_path, set())
    launch_all(fragile, cells(4), None)
    assert fragile.launched == [["0", "1", "2", "3"]]


def test_a_launcher_that_begins_nothing_is_tried_twice(tmp_path):
    fragile = Fragile(tmp_path, set(), opens=False)
    launch_all(fragile, cells(4), None)
    assert len(fragile.launched) == 2


def test_on_a_cluster_nothing_is_launched_twice(tmp_path):
    fragile = Fragile(tmp_path, {"1"}, local=False)
    launch_all(fragile, cells(4), None)
    assert len(fragile.launched) == 1 and finished(tmp_path) == ["0"]
