"""Digests: equal for what computes the same bits, different for anything that may not."""

import copy

import pytest
import torch
from networks import Residual, network
from torch import nn

from easiedge.model.digest import UndigestibleError, digest


def test_a_copy_has_the_same_digest_and_no_mode_changes_it():
    model = network("Residual")
    assert digest(model) == digest(copy.deepcopy(model)) == digest(copy.deepcopy(model).eval())


def test_weights_buffers_and_architecture_have_a_part_in_it():
    found = [digest(network("Residual"))]
    changes = [
        lambda m: m.stem.weight.data[0, 0, 0, 0].mul_(1 + 1e-6),
        lambda m: m.stem_bn.running_mean[0].add_(1e-6),
        lambda m: setattr(m.stem_bn, "eps", 1e-4),
        lambda m: setattr(m.stem_bn, "momentum", 0.2),
        lambda m: m.double(),
        lambda m: m.to(memory_format=torch.channels_last),
    ]
    for change in changes:
        model = network("Residual")
        change(model)
        found.append(digest(model))
    assert len(set(found)) == len(changes) + 1


def test_another_forward_of_the_same_layers_has_another_digest():
    class Other(Residual):
        def forward(self, x):
            return super().forward(x) * 2

    torch.manual_seed(0)
    model = Residual()
    other = Other()
    other.load_state_dict(model.state_dict())
    assert digest(model) != digest(other)


def test_a_layer_that_works_in_training_only_has_a_part_in_it():
    class Auxiliary(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.h, self.extra = nn.Linear(3, 2), nn.Dropout(p)

        def forward(self, x):
            return self.h(self.extra(x) if self.training else x)

    torch.manual_seed(0)
    first, second = Auxiliary(0.1), Auxiliary(0.2)
    second.load_state_dict(first.state_dict())
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (1, True), ("1", 1), (None, "None"), ([1, 2], [2, 1]), ([[1], 2], [1, [2]]), (["ab", "c"], ["a", "bc"]),
        ({"a": 1}, {"a": 2}), (0.1, 0.1 + 1e-16), (torch.zeros(2), torch.zeros(2, 1)), (torch.zeros(2), torch.zeros(2).double()),
        (torch.tensor([0.0]), torch.tensor([-0.0])), (torch.zeros(2, 2), torch.zeros(2, 2).T),
    ],
)  # fmt: skip
def test_different_values(one, other):
    assert digest(one) != digest(other)


def test_the_order_of_a_mapping_does_not_matter():
    assert digest({"a": 1, "b": [torch.ones(2)]}) == digest({"b": [torch.ones(2)], "a": 1})


def test_a_tensor_that_is_written_to_is_hashed_again():
    x = torch.zeros(4)
    before = digest(x)
    x[0] = 1
    assert digest(x) != before
    x[0] = 0
    assert digest(x) == before


def test_what_has_no_content_is_refused():
    for value in (lambda x: x, object(), [iter([])]):
        with pytest.raises(UndigestibleError):
            digest(value)
