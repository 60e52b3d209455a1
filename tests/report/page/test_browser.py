"""The page in a real browser: sorting, filtering, paging, links, charts, themes, at two widths."""

import json
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from browser import Browser, find_browser
from runs_on_disk import write_run, write_study

from easiedge.report.page.write_report import write_report
from easiedge.report.runs import find_runs

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None,
    reason="no browser: put chromium or google-chrome on PATH, or name one in EASIEDGE_BROWSER",
)
EVIL = "</script><script>window.evil=1</script><img src=x onerror=window.evil=1>\"'&$x^2$"
TABLE = "#runs tbody tr"
STUDY = Path(__file__).parents[3] / "experiments" / "global_vs_layerwise" / "results" / "digits.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "sweep", seeds=3, budgets=(0.3, 0.5, 0.8))
    for seed in range(30):
        write_run(folder / "many" / str(seed), seed=seed, finetune=7, budget=0.5)
    write_run(folder / "odd #1 %2F <b>" / "run", data=EVIL, recipe__note=EVIL)
    write_run(folder / "vgg", data="cifar10", model="vgg16", latency=True)
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(PROGRAM, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def tab(browser, folder):
    tab = browser.open(folder / "report" / "index.html")
    yield tab
    complaints, requests = tab.complaints(), tab.requests()
    tab.close()
    assert complaints == []
    assert all(url.startswith(("file:", "about:")) for url in requests)


def column(tab, name):
    """Texts of one column of the rows that show."""
    return tab(f"[...document.querySelectorAll('{TABLE}')].map(r => r.children[{place_of(tab, name)}].textContent)")


def place_of(tab, name):
    place = tab(
        f"[...document.querySelectorAll('#runs thead th')].findIndex(h => h.dataset.column === {json.dumps(name)})"
    )
    assert place >= 0, name
    return place


def head(name):
    return f"#runs th[data-column='{name}'] button"


def status(tab):
    return tab("document.querySelector('#runs [data-role=status]').textContent")


def test_all_runs_are_there_a_page_at_a_time(tab):
    assert status(tab) == "1\u201350 of 68 runs"
    first = column(tab, "run")
    assert len(first) == 50
    tab.click("#runs [data-role=next]")
    assert status(tab) == "51\u201368 of 68 runs"
    assert len(set(first + column(tab, "run"))) == 68
    assert tab("document.querySelector('#runs [data-role=next]').disabled")
    tab.click("#runs [data-role=previous]")
    assert column(tab, "run") == first


def test_a_heading_sorts_by_mouse_and_by_keyboard(tab, folder):
    tab.click(head("accuracy"))
    accuracies = sorted((run.accuracy for run in find_runs(folder).runs), reverse=True)
    assert [float(v) for v in column(tab, "accuracy")] == pytest.approx([100 * a for a in accuracies[:50]], abs=0.0051)
    assert tab("document.querySelector('#runs th[aria-sort]').getAttribute('aria-sort')") == "descending"
    assert tab("document.activeElement.parentElement.dataset.column") == "accuracy", "the heading keeps the focus"
    tab.press("Enter")
    assert tab("document.querySelector('#runs th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    assert [float(v) for v in column(tab, "accuracy")] == pytest.approx(
        [100 * a for a in accuracies[::-1][:50]], abs=0.0051
    )
    assert tab("document.querySelectorAll('#runs th[aria-sort]').length") == 1


def test_conditions_filter_and_a_wrong_one_is_named(tab, folder):
    runs = [r for r in find_runs(folder).runs if r.removed("macs") > 0.5 and r.scope == "global"]
    tab.type("#runs [data-role=query]", "macs_removed > 0.5 scope = global")
    assert len(column(tab, "run")) == len(runs) > 0
    assert set(column(tab, "scope")) == {"global"} and all(float(v) > 50 for v in column(tab, "macs_removed"))
    assert "(68 in all)" in status(tab)
    tab.type("#runs [data-role=query]", "macs_removed > much")
    assert "is not a number" in tab("document.querySelector('#runs [data-role=message]').textContent")
    assert tab("document.querySelector('#runs [data-role=query]').getAttribute('aria-invalid')") == "true"
    tab.type("#runs [data-role=query]", "")
    assert status(tab) == "1\u201350 of 68 runs" and not tab(
        "document.querySelector('#runs [data-role=query]').hasAttribute('aria-invalid')"
    )
    tab.type("#runs [data-role=query]", "no such run")
    assert status(tab) == "no run matches"


def test_columns_filter_together(tab):
    def choose(name, value):
        tab(
            f"(() => {{ const e = document.querySelector('#runs [data-field={name}]'); e.value = {json.dumps(value)}; "
            "e.dispatchEvent(new Event('change')); })()"
        )

    choose("method", '="one_shot"')
    assert set(column(tab, "method")) == {"one_shot"} and len(column(tab, "run")) == 18
    tab.type("#runs [data-field=seed]", "1..2")
    assert set(column(tab, "seed")) == {"1", "2"} and len(column(tab, "run")) == 12
    tab.type("#runs [data-field=change]", "> 0%")
    assert all(not v.startswith("\u2212") for v in column(tab, "change"))


def test_columns_come_and_go(tab):
    before = tab("document.querySelectorAll('#runs thead th').length")
    tab(
        "[...document.querySelectorAll('#runs .columns label')].find(l => l.textContent.trim() === 'parameters').querySelector('input').click()"
    )
    assert tab("document.querySelectorAll('#runs thead th').length") == before + 1
    assert "," in column(tab, "params")[0]


def test_values_of_the_configuration_that_differ_are_marked(tab):
    place = place_of(tab, "recipe.finetune.epochs")
    tab(
        "(() => { const e = document.querySelector('#runs [data-role=size]'); e.value = 200; e.dispatchEvent(new Event('change')); })()"
    )
    cells = tab(
        f"[...document.querySelectorAll('{TABLE}')].map(r => [r.children[{place}].textContent, r.children[{place}].className])"
    )
    assert len(cells) == 68 and all(("differs" in kind) == (text == "7") for text, kind in cells)
    assert sum(text == "7" for text, _ in cells) == 30


def test_links_lead_to_the_runs(browser, folder):
    tab = browser.open(folder / "report" / "index.html")
    links = tab(f"[...document.querySelectorAll('{TABLE} a')].map(a => a.href)")
    found = {unquote(urlparse(address).path) for address in links}
    assert found <= {f"{run.directory}/" for run in find_runs(folder).runs} and len(found) == 50
    tab.type("#runs [data-role=query]", "odd")
    assert len(column(tab, "run")) == 1
    tab.click(f"{TABLE} a")
    there = browser.wait(
        lambda m: m.get("method") == "Page.frameNavigated" and "odd" in m["params"]["frame"]["url"], "the run's folder"
    )
    assert unquote(urlparse(there["params"]["frame"]["url"]).path) == f"{folder}/odd #1 %2F <b>/run/"
    tab.close()


def test_names_from_runs_are_never_markup_or_code(tab):
    assert tab("window.evil") is None
    assert tab("document.querySelectorAll('img').length") == 0 and tab("document.scripts.length") == 2
    assert EVIL in tab("document.body.innerText")


def test_every_chart_is_drawn(tab):
    drawn = tab("[...document.querySelectorAll('figure')].filter(f => !f.hidden).map(f => [f.querySelectorAll('.mark, .filled, .stage rect').length, "
                "f.querySelector('.stage svg').getAttribute('aria-label')])")  # fmt: skip
    assert len(drawn) > 20 and all(marks > 0 and label for marks, label in drawn)
    assert "NaN" not in tab("[...document.querySelectorAll('.stage')].map(s => s.innerHTML).join()")


def test_points_are_told_by_pointer_and_by_keys(tab):
    figure = "figure[data-chart='1-accuracy-macs']"
    mark = f"{figure} .stage .hue0 .mark"
    x, y = tab.centre(mark)
    tab.move(x, y)
    tip = f'document.querySelector("{figure} .tip")'
    assert not tab(f"{tip}.hidden")
    words = tab(f"{tip}.textContent")
    assert "MACs left" in words and "test accuracy" in words and "seeds" in words and " to " in words
    tab(f'document.querySelector("{figure} .stage svg").focus()')
    tab.press("ArrowRight")
    first = tab(f"{tip}.textContent")
    tab.press("ArrowRight")
    assert tab(f"{tip}.textContent") != first
    tab.press("Escape")
    assert tab(f"{tip}.hidden")


def test_a_series_can_be_put_away(tab):
    figure = "figure[data-chart='1-accuracy-macs']"
    count = f'document.querySelectorAll("{figure} .stage .mark").length'
    before = tab(count)
    tab.click(f"{figure} .legend li:last-child button")
    assert 0 < tab(count) < before
    assert (
        tab(f"document.querySelector(\"{figure} .legend li:last-child button\").getAttribute('aria-pressed')")
        == "false"
    )


def test_another_setting_can_be_chosen(tab):
    stage = "document.querySelector(\"[data-details='0'] figure[data-detail='layers'] .stage\").innerHTML"
    before = tab(stage)
    tab(
        "(() => { const s = document.querySelector(\"[data-details='0'] select\"); s.value = 5; s.dispatchEvent(new Event('change')); })()"
    )
    name = tab("document.querySelector(\"[data-details='0'] select\").selectedOptions[0].textContent")
    assert tab(stage) != before
    assert name in tab(
        "document.querySelector(\"[data-details='0'] figure[data-detail='layers'] .legend\").textContent"
    )


@pytest.mark.parametrize("width", [1440, 390])
def test_names_of_compared_methods_stand_whole(browser, tmp_path, width):
    write_run(tmp_path / "run")
    text = STUDY.read_text().replace(
        "easiedge ", "easiedge schedule.iterations=2 schedule.readjust=0.1 scoring.passes=4 "
    )
    (tmp_path / "comparison.json").write_text(text)
    tab = browser.open(write_report(tmp_path).page, width, 900)
    tab("document.querySelectorAll('#studies details').forEach(d => { d.open = true; })")
    cells = tab("document.querySelectorAll('#studies td').length")
    cut = tab(
        "[...document.querySelectorAll('#studies td')].filter(c => c.scrollWidth > c.clientWidth).map(c => c.textContent)"
    )
    assert cells > 500 and cut == []
    assert tab("document.documentElement.scrollWidth") <= width
    tab.close()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths_and_themes(browser, folder, width, scheme):
    tab = browser.open(folder / "report" / "index.html", width, 900, scheme)
    light = "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"
    assert tab("document.documentElement.scrollWidth") <= width, "nothing sticks out of the page"
    assert tab(light) == (scheme == "light")
    tab.click("#theme")
    assert tab(light), "chosen: light"
    tab.click("#theme")
    assert not tab(light), "chosen: dark"
    tab.click("#theme")
    assert tab(light) == (scheme == "light")
    assert tab.complaints() == []
    tab.close()
