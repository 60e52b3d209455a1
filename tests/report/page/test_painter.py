"""Pictures are all there, whether or not a second process helps."""

import sys

import pytest

from easiedge.report.page import paper
from easiedge.report.page.chart import Axis, Lines, Series
from easiedge.report.page.painter import Painter

CHARTS = [Lines(f"chart{i}", "t", Axis("x"), Axis("y"), (Series("s", (), (1.0, 2.0)),)) for i in range(6)]


@pytest.fixture
def drawn_here(monkeypatch):
    drawn = []
    there = paper.write_pictures

    def spy(charts, folder):
        charts = list(charts)
        drawn.extend(chart.key for chart in charts)
        return there(charts, folder)

    monkeypatch.setattr(paper, "write_pictures", spy)
    return drawn


def draw(folder):
    with Painter() as painter:
        files = painter.draw(CHARTS, folder)
    assert [f.name for f in files] == [f"chart{i}.{kind}" for i in range(6) for kind in ("png", "svg")]
    assert all(f.stat().st_size > 1000 for f in files)


def test_half_is_drawn_by_the_second_process(tmp_path, drawn_here):
    draw(tmp_path)
    assert drawn_here == ["chart0", "chart2", "chart4"]
    here = [(tmp_path / f"chart0.{kind}").read_bytes() for kind in ("png", "svg")]
    paper.write_pictures([CHARTS[1]], tmp_path / "again")
    assert [(tmp_path / f"chart1.{kind}").read_bytes() for kind in ("png", "svg")] == [
        (tmp_path / "again" / f"chart1.{kind}").read_bytes() for kind in ("png", "svg")
    ]
    assert all(here)


@pytest.mark.parametrize("program", ["true", "false", "/none/such"])
def test_all_is_drawn_here_where_the_second_process_fails(tmp_path, drawn_here, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    draw(tmp_path)
    assert set(drawn_here) == {chart.key for chart in CHARTS}


def test_files_of_the_current_folder_are_not_run(tmp_path, drawn_here, monkeypatch):
    (tmp_path / "pickle.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", ".")])
    draw(tmp_path / "out")
    assert drawn_here == ["chart0", "chart2", "chart4"] and not (tmp_path / "run").exists()


def test_a_few_are_drawn_here(tmp_path, drawn_here):
    with Painter() as painter:
        assert len(painter.draw(CHARTS[:2], tmp_path)) == 4
    assert drawn_here == ["chart0", "chart1"]
