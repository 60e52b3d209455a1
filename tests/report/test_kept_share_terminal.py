"""Bars in the terminal: one line a layer, folded where there are many, never hiding the thinnest; plain where it must be."""

import io
import re

import pytest
from rich.console import Console
from shares import shares_of

from easiedge.report.kept_share import GroupShare, KeptShares
from easiedge.report.kept_share_terminal import bar_of, fold, print_kept_shares, short_names


def printed(shares, width=80, encoding="utf-8", **options):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_kept_shares(shares, Console(file=file, width=width, **options))
    file.flush()
    return file.buffer.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("width", [50, 80, 200])
def test_one_line_a_layer_with_name_count_share_and_mark(width, encoding):
    head, *lines, foot = printed(shares_of(5, collapsed=(3,)), width, encoding)
    assert "34.4% overall" in head
    assert foot == "!: 1 of 5 layers keep under 5 % of their units"
    assert [line.split()[0].split(".")[1] for line in lines] == list("01234")
    for line, kept in zip(lines, (30, 43, 56, 1, 42), strict=True):
        assert f" {kept} of 100 " in line and f" {kept:.1f} %" in line and len(line) <= width
    assert [line.endswith(" !") for line in lines] == [False, False, False, True, False]
    bars = [re.search(r"[█▏▎▍▌▋▊▉]+" if encoding == "utf-8" else "#+", line).group() for line in lines]
    lengths = [len(b) for b in bars]
    assert sorted(lengths) == [lengths[i] for i in (3, 0, 4, 1, 2)] and lengths[2] > 3 * lengths[3]


def test_wider_terminals_have_longer_bars_up_to_a_point():
    bars = [len(re.search("[#.]{5,}", printed(shares_of(4), w, "ascii")[1]).group()) for w in (50, 70, 90, 300)]
    assert bars[0] < bars[1] < bars[2] == bars[3] == 50


def test_no_escape_codes_unless_it_is_a_terminal():
    assert not any("\x1b" in line for line in printed(shares_of(40, collapsed=(3,))))
    assert any(
        "\x1b[" in line for line in printed(shares_of(5, collapsed=(3,)), force_terminal=True, color_system="standard")
    )


@pytest.mark.parametrize(
    ("kept", "width", "fancy", "bar"),
    [
        (100, 4, True, "████"),
        (50, 4, True, "██··"),
        (1, 4, True, "▏···"),  # anything kept shows
        (99, 4, True, "███▉"),  # only all is full
        (33, 4, True, "█▍··"),  # 10.56 of 32 eighths are eleven
        (100, 4, False, "####"),
        (1, 4, False, "#..."),
        (99, 4, False, "###."),
    ],
)
def test_bars(kept, width, fancy, bar):
    assert bar_of(kept, 100, width, fancy) == bar


@pytest.mark.parametrize("number", [31, 57, 100])
def test_many_layers_are_folded_and_the_thinnest_stand_alone(number):
    thin = (2, 7, 8, number - 1)
    shares = shares_of(number, collapsed=thin)
    head, *lines, foot = printed(shares)
    assert "the n layers after it" in head and f"4 of {number} layers" in foot
    assert len(lines) == 30
    assert sum(1 + int((re.search(r" \+(\d+) ", line) or [0, 0])[1]) for line in lines) == number
    for i in thin:
        (line,) = [x for x in lines if x.startswith(f"features.{i}.conv ")]
        assert " 1 of 100 " in line and line.endswith("!")
    assert sum(int(re.search(r"(\d+) of", line).group(1)) for line in lines) == sum(g.kept for g in shares.groups)


def test_folding_joins_what_is_alike_and_only_neighbours():
    groups = [GroupShare(str(i), kept, 100) for i, kept in enumerate((90, 50, 52, 91, 10, 51, 88, 89))]
    runs = fold([[g] for g in groups], lines=6, thinnest=1)
    assert [[g.name for g in run] for run in runs] == [["0"], ["1", "2"], ["3"], ["4"], ["5"], ["6", "7"]]
    assert [[g.name for g in run] for run in fold([[g] for g in groups], lines=1, thinnest=1)] == [
        list("0123"), ["4"], list("567"),
    ]  # fmt: skip


def test_a_network_that_has_collapsed_everywhere_says_how_many_in_each_line():
    shares = KeptShares(tuple(GroupShare(f"g{i}", 1, 100 + i, True) for i in range(80)), 0.05)
    _, *lines, foot = printed(shares)
    assert len(lines) == 30 and all(line.endswith("!") for line in lines) and "80 of 80" in foot
    mixed = KeptShares((*(GroupShare(f"g{i}", 1 + i % 2, 30 + i % 2, i % 2 == 0) for i in range(80)),), 0.05)
    assert any(re.search(r"!\d+$", line) for line in printed(mixed))


def test_long_names_are_cut_so_that_they_still_differ():
    names = [f"features.denseblock{b}.denselayer{n}.conv{c}" for b in (1, 2) for n in range(24) for c in (1, 2)]
    for width in (40, 32, 26, 18):
        cut = short_names(names, width)
        assert len(set(cut)) == len(names) and max(map(len, cut)) <= width
    assert short_names(["conv1", "layer1.0.conv1"], 14) == ["conv1", "layer1.0.conv1"]
    assert max(map(len, short_names(names, 5))) == 5


def test_nothing_to_show_is_no_error():
    assert len(printed(KeptShares((), 0.05))) == 1
