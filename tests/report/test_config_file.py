"""A configuration read section by section is the one that is read as a whole."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_on_disk import config

from easiedge.errors import RunError
from easiedge.report.runs.config_file import _by_sections, _whole_file, read_config

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def same(text):
    """Whether sections give what the whole gives, or leave it to the whole."""
    found = _by_sections(text)
    return found is None or (found == _whole_file(text, "x") and list(found) == list(_whole_file(text, "x")))


@given(
    st.dictionaries(st.sampled_from(["a", "b_c", "D", "e1"]) | st.text(min_size=1, max_size=4), NESTED, max_size=4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_whatever_yaml_writes(values, flow):
    assert same(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None if flow else False))


@given(st.lists(st.sampled_from(["a:", "b: ", "  c: 1", "- 2", "&x", "*x", "'", '"', "d: |", "|", "e: [1", "]", "# no", "---", "!!int 3", "\n", "\n", " "]), max_size=12).map("".join))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_people_write(text):
    try:
        whole = _whole_file(text, "x")
    except RunError:
        whole = None
    found = _by_sections(text)
    assert found is None or found == whole


def test_what_easiedge_writes_needs_no_second_reading():
    for seed in range(2):
        text = yaml.safe_dump(config(seed=seed, groups__include=["*", "layer1.*"]), sort_keys=False)
        assert _by_sections(text) == _whole_file(text, "x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: &x 1\nb: *x\n", {"a": 1, "b": 1}),
        ("a: 1\na: 2\n", {"a": 2}),
        ("a: |\n  b: 1\nc: 2\n", {"a": "b: 1\n", "c": 2}),
        ("a:\n- 1\n- '*'\nb: {}\n", {"a": '[1, "*"]', "b": "{}"}),
        ("# one\na: 1\n", {"a": 1}),
    ],
)
def test_sections_that_hang_together_are_read_together(tmp_path, text, found):
    (tmp_path / "config.yaml").write_text(text)
    assert read_config(tmp_path / "config.yaml") == found
