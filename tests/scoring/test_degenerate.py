"""No criterion gives a figure that is none, whatever is dead, constant, saturated or alone; and a mask can be made of what it gives."""

import pytest
import torch

import easiedge
from easiedge.errors import DataError
from easiedge.model.lenet import lenet
from easiedge.projection.project import project
from easiedge.scoring.score import CRITERIA, score
from easiedge.surgery.compensate import compensate
from easiedge.surgery.select import select


@torch.no_grad()
def network(case):
    torch.manual_seed(0)
    model = lenet(num_classes=3, in_channels=1, image_size=8)
    model(torch.randn(64, 1, 8, 8))  # running statistics
    model.eval()
    if case == "zero filters":
        model.conv1.weight[:5] = 0
        model.conv2.weight[::2] = 0
    elif case == "zero layer":
        model.conv2.weight.zero_()
    elif case == "dead units":
        model.bn1.bias[3:7] = -100
    elif case == "dead layer":
        model.bn2.bias.fill_(-100)
    elif case == "norms of no variance":
        for norm in (model.bn1, model.bn2):
            norm.running_var.zero_()
            norm.weight[:4] = 0
    elif case == "norms of no scale":
        model.bn1.weight.zero_()
    elif case == "saturated":
        list(model.parameters())[-1][1] = 1e4
    elif case == "tiny":
        for p in model.parameters():
            p.mul_(1e-18)
    elif case == "huge":
        model.conv1.weight.mul_(1e15)
    elif case == "all zero":
        for p in model.parameters():
            p.zero_()
    return model


def batches(case):
    x = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(12) % 3
    if case == "one image":
        return [(x[:1], labels[:1])]
    if case == "batches of one":
        return [(x[i : i + 1], labels[i : i + 1]) for i in range(4)]
    if case == "constant images":
        return [(torch.full_like(x, 0.3), labels)]
    if case == "one class":
        return [(x, torch.zeros_like(labels))]
    if case == "one class a batch":
        return [(x[labels == c], labels[labels == c]) for c in range(3)]
    return [(x, labels)]


CASES = [
    "zero filters", "zero layer", "dead units", "dead layer", "norms of no variance", "norms of no scale", "saturated", "tiny", "huge", "all zero", "one image",
    "batches of one", "constant images", "one class", "one class a batch",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_scores_are_figures_and_give_a_mask(criterion, case):
    model, data = network(case), batches(case)
    groups = easiedge.find_groups(model, torch.zeros(2, 1, 8, 8))
    if criterion == "network_slimming":
        groups = [g for g in groups if g.name.startswith("conv")]  # the others have no norm
    try:
        scores = score(model, groups, data, criterion)
    except (
        DataError
    ) as error:  # one sentence is an answer too: where one class is predicted, no unit tells anything about it
        assert (criterion, "predicts class" in str(error)) == ("mutual_information", True)  # noqa: PT017
        with torch.no_grad():
            assert len(torch.cat([model(x).argmax(1) for x, _ in data]).unique()) == 1
        return
    for name, values in scores.values.items():
        assert bool(torch.isfinite(values).all()), name
    for scope in ("global", "layerwise"):
        mask = project(
            scores,
            groups,
            budget=easiedge.Budget(filters_removed=0.5),
            scope=scope,
            model=model,
            example_inputs=torch.zeros(2, 1, 8, 8),
        )
        assert mask.share_removed() >= 0.5 and min(mask.kept().values()) >= 1


@pytest.mark.parametrize("case", CASES)
def test_selection_by_turns_and_the_refit_end_with_finite_weights(case):
    model, data = network(case), batches(case)
    groups = easiedge.find_groups(model, torch.zeros(2, 1, 8, 8))
    mask = select(
        model, groups, data, budget=easiedge.Budget(macs_removed=0.6), chunk=0.3, compensation="least_squares"
    )
    fitted = compensate(model, groups, mask, data)
    assert all(bool(torch.isfinite(v).all()) for v in fitted.state_dict().values())
    small = easiedge.shrink(fitted, groups, mask, torch.zeros(2, 1, 8, 8))
    assert bool(torch.isfinite(small(data[0][0])).all())
