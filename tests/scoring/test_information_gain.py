"""The oracle against masking by hand; the Taylor forms against finite differences and the exact Fisher form."""

import pytest
import torch
from networks import NETWORKS, centred, images, network, random_mask
from oracle import information_gain_of, single_unit_masks

from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups
from easiedge.model.gates import columns, gate_row, gated
from easiedge.model.inference import merged
from easiedge.scoring.joint_information_gain import LowRank
from easiedge.scoring.score import CRITERIA, score
from easiedge.scoring.taylor_information_gain import fisher_rows, probe_vectors
from easiedge.unit import FilterMask


def flat(scores, groups):
    return torch.cat([scores.values[g.name] for g in groups])


@pytest.mark.parametrize("name", NETWORKS)
def test_oracle_equals_masking_unit_by_unit(name):
    model, x = network(name), images(6)
    groups = find_groups(model, x)
    scores = score(model, groups, [x[:4], x[4:]], "information_gain")
    for group, i, mask in single_unit_masks(groups):
        assert float(scores.values[group][i]) == pytest.approx(
            information_gain_of(model, groups, mask, x), rel=1e-4, abs=1e-8
        )


def divergence_at(model, groups, x, gates, reference):
    with gated(model, groups, gates):
        q = model(x).log_softmax(1)
    return (reference.exp() * (reference - q)).sum(1).mean()


@pytest.mark.parametrize("name", ["Plain", "Residual", "Depthwise"])
@torch.no_grad()
def test_gradient_and_fisher_form_equal_finite_differences_of_the_true_divergence(name):
    """float64, smooth activations away from kinks: central differences of KL along random directions of the gates."""
    model, x = network(name).double(), images(3).double()
    groups = find_groups(model, x)
    units = sum(g.size for g in groups)
    tutor = network(name, seed=5).double()
    for teacher in (None, tutor):
        gradient, rows = torch.zeros(units).double(), []
        with torch.enable_grad():
            for r, g, _ in fisher_rows(model, groups, [x], probe="exact", tutor=teacher):
                rows, gradient = torch.cat([t.double() for t in r]), g.double() / len(x)
        fisher = rows.T @ rows / len(x)
        reference = (model if teacher is None else teacher)(x).log_softmax(1)
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            d = torch.randn(1, units, generator=generator).double()
            h = 1e-5
            up, down = (divergence_at(model, groups, x, 1 + s * h * d, reference) for s in (1, -1))
            assert float((up - down) / (2 * h)) == pytest.approx(float(gradient @ d[0]), rel=1e-4, abs=1e-7)
            if teacher is None:  # at the tutor the Hessian of KL is the Fisher form
                h = 1e-3
                up, down = (divergence_at(model, groups, x, 1 + s * h * d, reference) for s in (1, -1))
                assert float((up + down) / h**2) == pytest.approx(float(d @ fisher @ d.T), rel=2e-2)


def test_the_first_order_term_vanishes_at_the_tutor():
    model, x = network("Plain").double(), images(4).double()
    groups = find_groups(model, x)
    ((_, gradient, _),) = fisher_rows(model, groups, [x], probe="exact", tutor=model)
    ((_, moved, _),) = fisher_rows(model, groups, [x], probe="exact", tutor=network("Plain", seed=3).double())
    assert gradient.abs().max() < 1e-12 < 1e-3 < moved.abs().max()


@pytest.mark.parametrize("probe", ["sketch", "sampled"])
def test_random_probes_are_unbiased(probe):
    """Mean of 400 independent estimates within 5 standard errors of the exact diagonal for all 18 units.

    If each error were normal, a correct probe would fail with probability under 18 * 6e-7 = 1e-5; the seeds are fixed.
    """
    model, x = network("Plain").double(), images(3).double()
    groups = find_groups(model, x)
    exact = flat(score(model, groups, [x], "taylor_information_gain", probe="exact"), groups)
    draws = torch.stack(
        [
            flat(score(model, groups, [x], "taylor_information_gain", probe=probe, passes=2, seed=s), groups)
            for s in range(400)
        ]
    )
    error = (draws.mean(0) - exact).abs() / (draws.std(0) / len(draws) ** 0.5).clamp_min(1e-15)
    assert float(error.max()) < 5


@pytest.mark.parametrize("probe", ["sketch", "sampled"])
def test_random_probes_are_unbiased_off_the_diagonal_too(probe):
    """Mean of 400 estimates of the joint form within 6 standard errors of the exact one in all 171 entries.

    Under normal errors a correct probe would fail with probability under 171 * 2e-9; the seeds are fixed.  The form is summed
    in float32, hence the absolute term.
    """
    model, x = network("Plain").double(), images(3).double()
    groups = find_groups(model, x)

    def form(**options):
        return score(model, groups, [x], "joint_information_gain", **options).interaction.fisher.double()

    exact = form(probe="exact")
    draws = torch.stack([form(probe=probe, passes=2, seed=s) for s in range(400)])
    allowed = 6 * draws.std(0) / len(draws) ** 0.5 + 1e-6 * exact.abs().max()
    assert bool(((draws.mean(0) - exact).abs() <= allowed).all())
    assert float(exact.fill_diagonal_(0).abs().max()) > 10 * float(allowed.median())


def test_bfloat16_gives_nearly_the_scores_of_float32():
    x = images(64)
    model = centred(network("Residual"), x)
    groups = find_groups(model, x)
    for criterion in ("taylor_information_gain", "joint_information_gain"):
        whole, half = (flat(score(model, groups, [x], criterion, precision=p), groups) for p in ("float32", "bfloat16"))
        assert not torch.equal(whole, half)
        assert torch.allclose(whole, half, rtol=0.1, atol=1e-3 * float(whole.max()))


@pytest.mark.parametrize("criterion", [c for c in CRITERIA if c not in ("optimal_brain_surgeon", "random")])
def test_networks_in_bfloat16_are_scored(criterion):
    x, y = images(8), torch.arange(8) % 3
    model = centred(network("Residual"), x)
    groups = find_groups(model, x)
    wanted = flat(score(model, groups, [(x, y)], criterion), groups)
    found = flat(score(model.bfloat16(), groups, [(x.bfloat16(), y)], criterion), groups)
    assert bool(torch.isfinite(found).all())
    assert float(torch.corrcoef(torch.stack([wanted, found]))[0, 1]) > 0.9


def test_scoring_under_autocast_is_scoring_in_float32():
    model, x = network("Residual"), images(4)
    groups = find_groups(model, x)
    outside = flat(score(model, groups, [x]), groups)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(outside, flat(score(model, groups, [x]), groups))


@pytest.mark.parametrize("criterion", [c for c in CRITERIA if c != "random"])
def test_scores_do_not_depend_on_the_batch_size(criterion):
    x = images(12)
    model = centred(network("Residual"), x)
    y = torch.arange(12) % 3
    groups = find_groups(model, x)
    whole = flat(score(model, groups, [(x, y)], criterion), groups)
    parts = flat(score(model, groups, [(x[:5], y[:5]), (x[5:6], y[5:6]), (x[6:], y[6:])], criterion), groups)
    assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_unit_gets_a_finite_score_and_the_model_is_left_alone(criterion):
    name = "Residual" if criterion == "network_slimming" else "Depthwise"  # which has units without a norm
    x = images(4)
    model = centred(network(name), x).train()
    model.stem.weight.requires_grad_(False)
    groups = find_groups(model, x)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    scores = score(model, groups[1:], [(x, torch.tensor([0, 1, 2, 0]))], criterion)
    assert {n: v.shape for n, v in scores.values.items()} == {g.name: (g.size,) for g in groups[1:]}
    assert model.training and not model.stem.weight.requires_grad and model.head.weight.requires_grad
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_joint_form_is_the_quadratic_form_in_both_storages():
    model, x = network("Concatenation"), images(6)
    groups = find_groups(model, x)
    a = score(model, groups, [x], "joint_information_gain", matrix_limit=0).interaction
    b = score(model, groups, [x], "joint_information_gain").interaction
    assert a.rows is not None and b.fisher is not None
    assert torch.allclose(a.rows.T @ a.rows, b.fisher, atol=1e-7)
    assert torch.allclose(a.columns(torch.tensor([3, 0])), b.columns(torch.tensor([3, 0])), atol=1e-7)
    single = score(model, groups, [x], "taylor_information_gain", passes=2)
    for name, span in columns(groups).items():
        assert torch.allclose(0.5 * b.diagonal()[span].double(), single.values[name], rtol=1e-4)


def test_magnitudes_by_hand():
    model, x = network("Plain"), images()
    groups = find_groups(model, x)
    w = model.conv1.weight.detach().double()
    assert torch.allclose(score(model, groups, [], "l1_magnitude").values["conv1"], w.abs().mean((1, 2, 3)))
    assert torch.allclose(
        score(model, groups, [], "l2_magnitude", per_weight=False).values["conv1"], w.flatten(1).norm(dim=1)
    )


def test_squared_taylor_equals_autograd_image_by_image():
    model, x, y = network("Plain"), images(3), torch.tensor([0, 2, 1])
    groups = find_groups(model, x)
    found = flat(score(model, groups, [(x, y)], "squared_taylor"), groups)
    squares = []
    for i in range(3):
        gates = torch.ones(1, 18, requires_grad=True)
        with gated(model, groups, gates):
            torch.nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        squares.append(gates.grad[0].double() ** 2)
    assert torch.allclose(found, torch.stack(squares).mean(0), rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (lambda m, g, x: score(m, g, [x], "no_such"), "choose one of"),
        (lambda m, g, x: score(m, g, [], "taylor_information_gain"), "no batches"),
        (lambda m, g, x: score(m, g, [x], "squared_taylor"), "needs labels"),
        (lambda m, g, x: score(m, g, [x * float("nan")], "taylor_information_gain"), "batch 0 are not finite"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", probe="magic"), "unknown probe"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", colour=1), "has no option"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", passes=0), "at least 1"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", passes=1.5), "passes=1.5 .* whole number"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", precision="int8"), "float32, bfloat16"),
        (lambda m, g, x: score(m, g, [x], "l1_magnitude", per_weight=1), "true or false"),
        (lambda m, g, x: score(m, [], [x], "taylor_information_gain"), "no groups"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", tutor=[]), "tutor"),
        (lambda m, g, x: score(m, g, [x], "taylor_information_gain", tutor=[torch.zeros(1, 3)]), "tutor"),
    ],
)
def test_wrong_requests_are_refused(request_, message):
    model, x = network("Plain"), images()
    with pytest.raises(EasiEdgeError, match=message):
        request_(model, find_groups(model, x), x)


class Noisy(torch.nn.Module):
    """Dropout that ignores eval mode."""

    def __init__(self):
        super().__init__()
        self.inner = network("Plain")

    def forward(self, x):
        y = self.inner(x)
        return y + torch.rand_like(y)


def test_a_network_that_draws_random_numbers_in_eval_mode_is_refused():
    x = images()
    groups = [replace_names(g) for g in find_groups(network("Plain"), x)]
    with pytest.raises(EasiEdgeError, match="not deterministic in eval mode"):
        score(Noisy(), groups, [x], "taylor_information_gain")


def replace_names(group):
    from dataclasses import replace

    members = tuple(replace(m, layer=f"inner.{m.layer}") for m in group.members)
    kinds = {f"inner.{layer}": kind for layer, kind in group.kinds.items()}
    return replace(
        group, name=f"inner.{group.name}", members=members, gates=tuple(f"inner.{g}" for g in group.gates), kinds=kinds
    )


def test_folded_rows_are_unbiased_and_bounded():
    """400 draws of the folding signs: the mean of G~'G~ within 5 standard errors of G'G, every entry (171 of them)."""
    rows = torch.randn(40, 18, generator=torch.Generator().manual_seed(0)).double()
    exact = rows.T @ rows
    found = []
    for seed in range(400):
        form = LowRank(18, memory=4 * 18 * 7, seed=seed)
        for part in rows.split(11):
            form.add(part)
        kept = form.interaction((), torch.zeros(18), 1).rows
        assert kept.shape == (7, 18)
        found.append(kept.T @ kept)
    draws = torch.stack(found)
    assert float(((draws.mean(0) - exact).abs() / (draws.std(0) / 20)).max()) < 5


def test_folding_does_not_depend_on_the_batches():
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    forms = [LowRank(5, memory=4 * 5 * 9, seed=3) for _ in range(3)]
    for form, size in zip(forms, (40, 7, 1), strict=True):
        for part in rows.split(size):
            form.add(part)
    a, b, c = (form.interaction((), torch.zeros(5), 1).rows for form in forms)
    assert torch.allclose(a, b, atol=1e-5) and torch.allclose(a, c, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_merged_network_says_the_same(name):
    model, x = network(name), images(5)
    with torch.no_grad():
        assert torch.allclose(merged(model)(x), model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_gate_gradients_equal_autograd_through_gates_that_multiply(name):
    model, x = network(name), images(3)
    groups = find_groups(model, x)
    mask = random_mask(groups, 0.3)
    for where in (None, mask):
        ((rows, _, _),) = fisher_rows(model, groups, [x], probe="sampled", passes=1, mask=where)
        gates = gate_row(groups, where or FilterMask.full(groups)).expand(3, -1).clone().requires_grad_(True)
        with gated(model, groups, gates):
            logits = model(x)
        vector = _sampled_vector(logits.detach().softmax(1))
        (wanted,) = torch.autograd.grad(logits, gates, vector)
        assert torch.allclose(rows[0], wanted, rtol=1e-3, atol=1e-5)


def _sampled_vector(p):
    return next(iter(probe_vectors("sampled", 1)(p, torch.Generator().manual_seed(0))))
