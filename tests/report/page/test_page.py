"""The page as a file: whole, closed to the outside, safe with any name, and every link leads somewhere."""

import base64
import csv
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from runs_on_disk import write_run, write_study

from easiedge.errors import RunError
from easiedge.report.page.csv_file import guarded
from easiedge.report.page.links import link, shown
from easiedge.report.page.page import json_block
from easiedge.report.page.table import columns_of, packed
from easiedge.report.page.write_report import write_report
from easiedge.report.runs import find_runs

VOID = {"meta", "input", "link", "br", "hr", "img"}
EVIL = "--></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;${1}$\\frac{"


class Page(HTMLParser):
    """Elements, attributes and texts; fails where tags do not close in turn."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closes out of turn"

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def attributes(self, *names):
        return [value for _, attrs in self.elements for name, value in attrs.items() if name in names]

    def data(self):
        place = next(i for i, (tag, attrs) in enumerate(self.elements) if attrs.get("id") == "data")
        assert self.elements[place] == ("script", {"type": "application/json", "id": "data"})
        return json.loads(next(text for tag, text in self.texts if tag == "script"))


def report_on(folder, **options):
    written = write_report(folder, **options)
    return written, Page(written.page.read_text(encoding="utf-8"))


def check_links(written, page):
    ids = set(page.attributes("id"))
    targets = [*page.attributes("href"), *page.data()["table"]["links"]]
    assert targets
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in ids
        else:
            assert not re.match(r"[a-z]+:|//", target, re.I)
            assert (written.page.parent / unquote(target)).exists(), target


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "sweep", seeds=2, budgets=(0.3, 0.6))
    write_run(folder / "epochs", finetune=9, budget=0.3)
    write_run(folder / "dense", dense_only=True)
    write_run(folder / "other", data="mnist")
    write_run(folder / "broken")
    (folder / "broken" / "metrics.json").write_text("{")
    (folder / "waiting").mkdir()
    (folder / "waiting" / "config.yaml").write_text("seed: 0\n")
    (folder / "comparison.json").write_text("{}")
    (folder / "comparison.md").write_text("")
    return *report_on(folder), folder


def test_the_page_is_whole_and_every_link_leads_somewhere(study):
    written, page, _ = study
    assert page.elements[0] == ("html", {"lang": "en"})
    assert len(page.attributes("id")) == len(set(page.attributes("id")))
    check_links(written, page)


def test_nothing_comes_from_elsewhere(study):
    written, page, _ = study
    text = written.page.read_text()
    assert not page.attributes("src", "srcset", "action", "background", "style")
    assert not [name for _, attrs in page.elements for name in attrs if name.startswith("on")]
    outside = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>)]*", text))
    assert outside <= {"http://www.w3.org/2000/svg"}, "the name of SVG is no address that is visited"
    assert "@import" not in text and "url(" not in text


def test_the_policy_allows_the_pages_own_script_and_style_and_nothing_else(study):
    written, page, _ = study
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    text = written.page.read_text()
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_what_is_there_and_what_was_left_out_is_said(study):
    written, page, _ = study
    words = " ".join(text for tag, text in page.texts if tag != "script")
    assert written.runs == 19 and len(written.skipped) == 1
    assert "19 runs are shown, 1 was skipped, 1 is not finished" in words
    assert "metrics.json is cut off or no JSON (line 1)" in words and "broken" in words
    assert "2 different pairs of network and data (lenet on digits, lenet on mnist)" in words
    assert "comparison.md" in words and "recipe.finetune.epochs" in words
    assert "do not have more than one seed: one seed gives no spread" in words


def test_every_chart_of_the_page_has_its_figures_and_its_files(study):
    written, page, _ = study
    data = page.data()
    keys = page.attributes("data-chart")
    assert sorted(keys) == sorted(data["charts"]) and len(keys) >= 6
    assert {p.stem for p in written.pictures} >= set(keys) | {"1-layers", "1-admm-residuals", "1-training-loss"}
    assert all(p.stat().st_size > 1000 for p in written.pictures)
    for number in page.attributes("data-details"):
        part = data["sections"][int(number)]
        assert part["details"] and all(0 <= i < len(part["details"]) for i in part["chosen"])


def test_the_table_holds_every_run_as_does_the_csv(study):
    written, page, folder = study
    columns = {c["name"]: c for c in page.data()["table"]["columns"]}
    with (written.page.parent / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == written.runs == len(page.data()["table"]["links"])
    levels = columns["run"]["levels"]
    assert [levels[i] for i in columns["run"]["cells"]] == [row["run"] for row in rows]
    runs = {shown(run.directory, folder): run for run in find_runs(folder).runs}
    for row, accuracy in zip(rows, columns["accuracy"]["cells"], strict=True):
        run = runs[row["run"]]
        assert float(row["accuracy"]) == run.accuracy == pytest.approx(accuracy, rel=1e-5)
        assert row["recipe.finetune.epochs"] == str(run.config["recipe.finetune.epochs"])
        assert row["scope"] == (run.scope or "")
    assert columns["recipe.finetune.epochs"]["config"] and columns["recipe.finetune.epochs"]["usual"] == 2
    assert "logger.kind" not in columns and "seed" in columns


def test_pairs_are_in_a_file_of_their_own(study):
    written, _, _ = study
    with (written.page.parent / "global_layerwise.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and all(row["n"] == "2" for row in rows)
    assert all(float(row["corrected"]) >= float(row["t_p"]) for row in rows)


def test_the_same_runs_give_the_same_files(tmp_path):
    write_run(tmp_path / "runs" / "0", method="one_shot", curves=False)
    for name in ("a", "b"):
        write_report(tmp_path / "runs", tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 9 and not list(tmp_path.rglob("global_layerwise.csv"))  # one scope: there is no pair
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_any_name_is_text_and_nothing_else(tmp_path):
    names = {"method": EVIL, "data": EVIL, "model": "lenet"}
    folder = tmp_path / "a <b>&'\" %2F#?;$x_1^2$ \u4e2d" / "=1+1"
    for seed, scope in ((0, "global"), (0, "layerwise"), (1, "global")):
        directory = folder / f"{scope}{seed}{EVIL.replace('/', ' ')}"
        write_run(directory, seed=seed, scope=scope)
        figures = json.loads((directory / "metrics.json").read_text())
        (directory / "metrics.json").write_text(json.dumps(figures | names))
        text = (
            (directory / "layers.csv").read_text().replace("conv1,conv1", '"{0}","{0}"'.format(EVIL.replace('"', '""')))
        )
        (directory / "layers.csv").write_text(text)
        with (directory / "config.yaml").open("a") as file:
            file.write(f"'{EVIL.replace(chr(39), chr(39) * 2)}': {json.dumps([seed, EVIL])}\n")
            file.write(f"formula: '{'=2+2' if seed else '@SUM(A1)'}'\n")
    (folder / "bad\n<i>").mkdir()
    (folder / "bad\n<i>" / "metrics.json").write_text(json.dumps({"schema": EVIL}))
    written, page = report_on(tmp_path, title=EVIL)
    check_links(written, page)
    assert {tag for tag, _ in page.elements} <= {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "button", "main", "p", "dl", "div", "dt", "dd", "nav",
        "ul", "li", "a", "noscript", "section", "figure", "figcaption", "span", "details", "summary", "table", "thead", "tbody", "tr", "th",
        "td", "code", "label", "select", "option", "input", "footer", "script",
    }  # fmt: skip
    assert sum(tag == "script" for tag, _ in page.elements) == 2
    assert ("h1", EVIL) in page.texts and not page.attributes("onerror", "src")
    with (written.page.parent / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["formula"] for row in rows} == {"'=2+2", "'@SUM(A1)"}
    assert all(
        cell[:1] not in "=+-@" or re.fullmatch(r"-?[\d.e-]+", cell) for row in rows for cell in row.values() if cell
    )
    drawn = [ElementTree.parse(p).getroot() for p in written.pictures if p.suffix == ".svg"]
    tags = {element.tag.rpartition("}")[2] for root in drawn for element in root.iter() if isinstance(element.tag, str)}
    assert "path" in tags and not tags & {"script", "img", "image", "foreignObject", "a", "text"}


def test_bytes_that_are_no_text_in_a_name(tmp_path):
    import os

    directory = tmp_path / os.fsdecode(b"run-\xff")
    write_run(directory)
    written, page = report_on(tmp_path)
    (target,) = page.data()["table"]["links"]
    assert target == "../run-%FF/" and "run-\ufffd" in written.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("cell", ["=1", "+1", "-x", "@a", "\tx", "\r", " =1"])
def test_formulas_are_kept_from_spreadsheets(cell):
    assert guarded(cell) == f"'{cell}"
    assert (guarded(-1.5), guarded("a=1"), guarded(None)) == (-1.5, "a=1", "")


def test_a_block_of_data_cannot_end_its_element():
    text = json_block({"</script>": "<!--<script>&\u2028"})
    assert "<" not in text and json.loads(text) == {"</script>": "<!--<script>&\u2028"}


def test_links_are_relative_and_survive_odd_names(tmp_path):
    for name in ("javascript:alert(1)", "a b#c?d%20", "plain"):
        (tmp_path / name).mkdir()
        target = link(tmp_path / name, tmp_path)
        assert (tmp_path / unquote(target)).is_dir() and not re.match(r"[a-z]+:", target)
    assert link(tmp_path / "plain", tmp_path / "report") == "../plain/"


def test_one_run_makes_a_page(tmp_path):
    write_run(tmp_path, budget=0.4)
    written, page = report_on(tmp_path)
    check_links(written, page)
    words = " ".join(text for _, text in page.texts)
    assert "No setting has more than one seed" in words and "there is nothing to compare" in words
    assert written.page == tmp_path / "report" / "index.html"


def test_only_dense_runs_make_a_page(tmp_path):
    write_run(tmp_path / "0", dense_only=True)
    written, page = report_on(tmp_path, out=tmp_path / "elsewhere" / "deep")
    check_links(written, page)
    assert page.data()["charts"] == {}


def test_a_sensitivity_alone_makes_a_page(tmp_path):
    group = {"name": EVIL, "size": 4, "accuracy": [0.9, 0.5]}
    (tmp_path / "sensitivity.json").write_text(json.dumps({
        "schema": 1, "kind": "layer_sensitivity", "model": "m", "data": "d", "seed": 0, "metric": "accuracy", "split": "test", "dense": 0.9,
        "shares": [0.1, 0.5], "groups": [group] * 12, "seconds": {}, "criterion": "l1_magnitude",
    }))  # fmt: skip
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "sensitivity.json").write_text("[]")
    written, page = report_on(tmp_path)
    check_links(written, page)
    assert set(page.data()["charts"]) == {"sensitivity-1-curves", "sensitivity-1-map"}
    assert [s.reason for s in written.skipped] == ["sensitivity.json does not hold an object"]


def test_columns_that_say_nothing_start_hidden(tmp_path):
    for seed in range(2):
        write_run(tmp_path / str(seed), seed=seed)
    runs = find_runs(tmp_path).runs
    columns = {c["name"]: c for c in packed(columns_of(runs, ["a", "b"]))}
    assert columns["accuracy"]["shown"] and not columns["data"]["shown"] and "latency_ms" not in columns
    assert columns["seed"]["cells"] == [0, 1]


def test_thousands_of_runs_stay_a_small_page(tmp_path):
    for finetune in (1, 5):
        write_study(
            tmp_path / str(finetune),
            seeds=5,
            budgets=(0.3, 0.4, 0.5, 0.6, 0.7),
            finetune=finetune,
            recipe__train__epochs=40,
        )
    for seed in range(300):
        write_run(tmp_path / "random" / str(seed), seed=seed, recipe__admm__epochs=seed, model="vgg16")
    written, page = report_on(tmp_path)
    assert written.runs == 500
    assert written.page.stat().st_size < 2_500_000, "10 MB for 2,000"
    assert len(page.data()["table"]["links"]) == 500


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: None, "there are no runs below"),
        (lambda p: (p / "config.yaml").write_text("a: 1"), "is finished (1 without metrics.json)"),
        (lambda p: (p / "metrics.json").write_text("{"), "1 skipped, the first, ., because metrics.json is cut off"),
    ],
)
def test_nothing_to_show_is_a_sentence(tmp_path, make, says):
    make(tmp_path)
    with pytest.raises(RunError) as error:
        write_report(tmp_path)
    assert says in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "report").exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    write_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="choose another folder with --out"):
        write_report(tmp_path, tmp_path / "file" / "report")
