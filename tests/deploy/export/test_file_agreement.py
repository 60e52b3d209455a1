"""The figures by which an exported file is judged, and the words in which an engine's errors are told."""

import pytest
import torch

from easiedge.deploy.export.agreement import Agreement, compare, logits, refuse_disagreement, refuse_not_finite
from easiedge.deploy.onnx_export import stopped_at
from easiedge.errors import EquivalenceError, ModelError

WANTED = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.0, 0.0]])
LABELS = torch.tensor([0, 1, 1, 0])


def test_figures_by_hand():
    found = WANTED + torch.tensor([[0.0, 0.25], [0.0, 0.0], [-0.5, 1.0], [0.0, 0.0]])
    assert compare(found, WANTED, LABELS) == Agreement(1.0, 0.75, 1.0, 4)
    assert compare(WANTED, WANTED, LABELS) == Agreement(0.0, 1.0, 0.75, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_infinitely_far(value):
    found = WANTED.clone()
    found[3, 1] = value
    agreed = compare(found, WANTED, LABELS)
    assert agreed.max_abs_diff > 1e30
    with pytest.raises(EquivalenceError, match="file was not kept"):
        refuse_disagreement(agreed, "x.onnx")


@pytest.mark.parametrize(("agreed", "good"), [
    (Agreement(1e-3, 0.999, 0.1, 5000), True), (Agreement(1.1e-3, 1.0, 0.9, 5000), False), (Agreement(0.0, 0.9988, 0.9, 5000), False),
])  # fmt: skip
def test_both_limits_hold(agreed, good):
    if good:
        refuse_disagreement(agreed, "x.onnx")
    else:
        with pytest.raises(EquivalenceError, match=r"x\.onnx does not compute"):
            refuse_disagreement(agreed, "x.onnx")


def test_engines_that_break_or_answer_otherwise_are_named():
    batches = [(torch.zeros(4, 1, 2, 2), LABELS)]

    def breaks(images):
        raise RuntimeError("no kernel\nfor this")

    with pytest.raises(ModelError, match=r"x\.pte breaks on the run's images: no kernel"):
        logits(breaks, batches, "x.pte")
    with pytest.raises(ModelError, match=r"gives \[1, 2\] instead"):
        logits(lambda images: WANTED[:1], batches, "x.pte")


def test_an_error_in_one_line_names_the_operator_wherever_it_stands():
    error = RuntimeError("\x1b[96mFailed to convert. Next steps:\n- one\n- two")
    error.__cause__ = ValueError("No ONNX function for <OpOverload(op='aten.adaptive_max_pool2d', overload='default')>")
    assert stopped_at(error) == "operator aten.adaptive_max_pool2d: Failed to convert"
    text = "Exception from src/core.cpp:132:\nCheck failed\nWhile validating node 'opset1::Subtract Subtract_1'"
    assert stopped_at(RuntimeError(text)) == "operator opset1::Subtract: Check failed"
    assert stopped_at(RuntimeError("")) == "RuntimeError"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_refused_with_their_number(value):
    found = WANTED.clone()
    refuse_not_finite(found, "x.onnx")
    found[1, 0] = found[3, 1] = value
    with pytest.raises(EquivalenceError, match=r"x\.onnx .* not finite on 2 of 4 images"):
        refuse_not_finite(found, "x.onnx")


def test_the_difference_of_large_logits_is_a_number():
    large = torch.full((4, 2), 3e38)
    assert compare(large, -large, LABELS).max_abs_diff == pytest.approx(6e38)
