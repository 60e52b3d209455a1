"""layers.png: what its bars, lines and labels show."""

from itertools import pairwise

import pytest
from matplotlib.colors import to_hex
from PIL import Image
from shares import shares_of

from easiedge.report.kept_share_picture import COLLAPSED, draw_kept_shares, kept_share_figure
from easiedge.report.pictures import KEPT


@pytest.mark.parametrize("number", [1, 5, 16, 57, 100])
def test_a_bar_for_each_layer_as_high_as_what_it_keeps(number):
    shares = shares_of(number, collapsed=(number // 2,))
    above, below = kept_share_figure(shares, "a run").axes
    every, kept = above.containers
    assert [bar.get_height() for bar in every] == [1.0] * number
    assert [bar.get_height() for bar in kept] == [g.share for g in shares.groups]
    red = [i for i, bar in enumerate(kept) if to_hex(bar.get_facecolor()) == COLLAPSED]
    assert red == [number // 2] and {to_hex(b.get_facecolor()) for b in kept} <= {COLLAPSED, KEPT}
    assert [label.get_text() for label in below.get_xticklabels()] == [g.name for g in shares.groups]


def test_lines_stand_at_the_whole_networks_share_and_at_the_collapse():
    shares = shares_of(16)
    above, _ = kept_share_figure(shares).axes
    assert [line.get_ydata()[0] for line in above.lines] == [shares.overall, 0.05]
    legend = [text.get_text() for text in above.get_legend().get_texts()]
    assert legend == [f"all layers: {100 * shares.overall:.1f} %", "collapsed below 5 %"]


@pytest.mark.parametrize(("number", "texts"), [(16, 16), (57, 57), (100, 2)])
def test_with_many_layers_only_collapsed_ones_carry_their_figure(number, texts):
    shares = shares_of(number, collapsed=(2, 9))
    above, _ = kept_share_figure(shares).axes
    found = [text.get_text() for text in above.texts]
    assert len(found) == texts and found.count("1 of 100") == 2


def test_the_lower_panel_shows_macs_where_they_are_counted_and_units_elsewhere():
    counted = shares_of(4, macs=True)
    _, below = kept_share_figure(counted).axes
    assert below.get_ylabel() == "share of MACs"
    dense, after = below.containers
    assert [bar.get_height() for bar in dense] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert [bar.get_height() for bar in after] == pytest.approx([g.macs_after / 10000 for g in counted.groups])
    _, below = kept_share_figure(shares_of(4)).axes
    assert below.get_ylabel() == "share of units"
    assert [bar.get_height() for bar in below.containers[0]] == [0.25] * 4


@pytest.mark.parametrize("number", [5, 57, 100])
def test_names_do_not_run_into_each_other_and_the_picture_stays_of_a_size_for_a_screen(number, tmp_path):
    draw_kept_shares(shares_of(number), tmp_path / "new" / "layers.png")
    with Image.open(tmp_path / "new" / "layers.png") as image:
        assert 800 <= image.width <= 2400 and 500 <= image.height <= 1200
    figure = kept_share_figure(shares_of(number))
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[1].get_xticklabels()]
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))
