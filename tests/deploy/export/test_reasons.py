"""Each reason is told once, with the files that it kept away and the network's folder."""

from pathlib import Path

from easiedge.deploy.export.reasons import NotWrittenError, Reasons
from easiedge.errors import EquivalenceError, ModelError


def test_a_reason_is_told_once_with_all_its_files():
    reasons = Reasons(Path("run/pruned"))
    reasons.add("a.onnx", NotWrittenError("operator x"))
    reasons.add("b.onnx", EquivalenceError("b.onnx differs"), "the earlier b.onnx is still there")
    reasons.add("a.xml", NotWrittenError("operator x"), "the earlier a.xml was removed")
    reasons.add("c.onnx", NotWrittenError("operator x"))
    first, second = reasons.errors()
    assert (
        str(first)
        == "a.onnx, a.xml and c.onnx cannot be made from run/pruned: operator x; the earlier a.xml was removed"
    )
    assert type(first) is ModelError and type(second) is EquivalenceError
    assert str(second) == "b.onnx differs; the earlier b.onnx is still there"


def test_nothing_kept_away_is_no_reason():
    assert Reasons(Path("x")).errors() == []
