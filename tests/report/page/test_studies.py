"""Paired comparisons on the page: every figure of the study's tables, escaped, and nothing from a file that cannot be read."""

import html
import json
import os
from pathlib import Path

import pytest
from runs_on_disk import write_run

from easiedge.report.page import studies
from easiedge.report.page.command import report

STUDY = Path(__file__).parents[3] / "experiments" / "global_vs_layerwise" / "results" / "digits.json"


@pytest.fixture
def page(tmp_path):
    def made(text):
        write_run(tmp_path / "run")
        (tmp_path / "comparison.json").write_text(text)
        assert report([str(tmp_path)]) == 0
        return (tmp_path / "report" / "index.html").read_text()

    return made


def test_all_tables_are_there(page):
    text = page(STUDY.read_text())
    for title in ("Global minus layerwise", "Minus easiedge joint_information_gain at the same scope", "All rows"):
        assert f"<summary>{title}</summary>" in text
    record = json.loads(STUDY.read_text())
    for d in record["differences"]:
        low, mean, high = (100 * d["found"]["spread"][name] for name in ("low", "mean", "high"))
        figures = f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-0.00", "+0.00")
        assert figures in text or d["kind"] == "control"
    for row in record["rows"]:
        spread = row["accuracy"]
        assert f"{100 * spread['mean']:.2f} ± {50 * (spread['high'] - spread['low']):.2f}" in text
    assert '<a href="#studies">' in text and 'href="../comparison.json"' in text


def test_names_are_escaped(page):
    record = json.loads(STUDY.read_text())
    record["rows"][1]["method"] = evil = "<img src=x onerror=alert(1)>"
    record["differences"][0]["left"] = f"{evil}, global"
    record["notes"] = [evil]
    text = page(json.dumps(record))
    assert evil not in text and text.count(html.escape(evil)) == 3


@pytest.mark.parametrize(
    "text", ["{}", "[", "null", '{"schema": 1}', '{"schema": 7}', json.dumps({"schema": 1, "rows": 3})]
)
def test_what_cannot_be_read_is_said_and_linked(page, text):
    found = page(text)
    assert "its tables are not shown: " in found and "comparison.json</a>" in found and "<summary>All rows" not in found


def test_values_of_the_wrong_kind(page):
    record = json.loads(STUDY.read_text())
    record["about"] = {"model": 1}
    assert "its tables are not shown: " in page(json.dumps(record))


def changed(change):
    record = json.loads(STUDY.read_text())
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["notes"].append("\ud800"),
        lambda r: r["about"].update(model="\ud800"),
        lambda r: r["dense"].update(mean=10**400),
        lambda r: r.update(notes=5),
    ],
)
def test_values_that_no_page_can_show(page, change):
    assert "its tables are not shown: " in page(changed(change))


def test_endless_notes_and_names_are_cut(page):
    text = page(changed(lambda r: (r.update(notes=["x" * 1000] * 5000), r["rows"][1].update(method="y" * 100_000))))
    assert len(text) < 2_000_000 and "and 4,950 notes more" in text


def test_a_pipe_in_place_of_a_study_keeps_nobody_waiting(tmp_path):
    write_run(tmp_path / "run")
    os.mkfifo(tmp_path / "comparison.json")
    assert report([str(tmp_path)]) == 0
    assert "comparison.json is missing" in (tmp_path / "report" / "index.html").read_text()


def test_many_rows_and_many_studies_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "MOST_ROWS", 5)
    monkeypatch.setattr(studies, "MOST_STUDIES", 2)
    paths = [tmp_path / str(n) / "comparison.json" for n in range(3)]
    for path in paths:
        path.parent.mkdir()
        path.write_text(STUDY.read_text())
    found = studies.studies(paths, tmp_path, tmp_path / "report")
    assert [bool(study["tables"]) for study in found] == [True, True, False] and found[2]["link"]
    assert all(len(table["rows"]) == 5 and table["more"] > 0 for table in found[0]["tables"])
