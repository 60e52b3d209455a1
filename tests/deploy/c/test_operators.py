"""Every operator that C knows computes what torch does, in C99 without a warning; every other is named."""

import pytest
import torch
import torch.nn.functional as F
from c_program import says, strict, write_c
from networks import NETWORKS, images, network, random_mask, randomise_norms
from torch import nn

import easiedge
from easiedge.deploy.c.lower import OPERATORS, lower
from easiedge.deploy.c.memory_plan import plan_memory
from easiedge.deploy.c.operators import _FUNCTIONS, _MODULES
from easiedge.deploy.export.ready import ready
from easiedge.errors import ModelError
from easiedge.model.lenet import lenet
from easiedge.model.resnet import resnet20
from easiedge.model.vgg import vgg16


class Do(nn.Module):
    """A convolution, something done to its output, and its flattened result as logits."""

    def __init__(self, done, channels=6):
        super().__init__()
        self.conv, self.done = nn.Conv2d(2, channels, 3, padding=1), done

    def forward(self, x):
        return torch.flatten(self.done(self.conv(x)), 1)


class Function(nn.Module):
    """A function as a layer that is traced into."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Twice(nn.Module):
    """One layer used twice, and its output read again later."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.act(self.conv(x))
        z = self.conv(y)
        return torch.cat([self.act(y + z), y + y, z * z, x], 1)


class Flat(nn.Module):
    """Vectors that were images: through a norm, joined, and into a linear layer."""

    def __init__(self):
        super().__init__()
        self.norm, self.head = nn.BatchNorm1d(6 * 25), nn.Linear(2 * 6 * 25, 5)

    def forward(self, x):
        y = self.norm(x.view(x.size(0), -1))
        return self.head(torch.cat([y, F.relu(y)], dim=1))


CASES = {
    **{
        f"conv {options}": Do(nn.Conv2d(6, **{"out_channels": 9, "kernel_size": 3, **options}))
        for options in (
            {}, {"stride": 2, "padding": 1}, {"kernel_size": (1, 5), "padding": (0, 2), "bias": False}, {"dilation": 2, "padding": 2},
            {"kernel_size": 4, "padding": "same"}, {"groups": 3, "padding": 1}, {"groups": 2, "out_channels": 10, "dilation": (1, 2)},
            {"groups": 6, "out_channels": 6, "padding": 1, "stride": (2, 1)}, {"groups": 6, "out_channels": 12, "padding": 1},
            {"kernel_size": 1, "out_channels": 17}, {"kernel_size": 5, "padding": 4, "stride": 3},
        )
    },
    **{
        type(layer).__name__ + str(k): Do(layer)
        for k, layer in enumerate([
            nn.ReLU(), nn.ReLU6(), nn.Hardtanh(-0.2, 0.3), nn.LeakyReLU(0.2), nn.Hardswish(), nn.Hardsigmoid(), nn.SiLU(), nn.Sigmoid(),
            nn.Tanh(), nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), (1, 2), ceil_mode=True), nn.MaxPool2d(2, 1, 1, 2), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1),
            nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.AvgPool2d(2, divisor_override=3),
            nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((2, 3)), nn.AdaptiveMaxPool2d(2), nn.ZeroPad2d((1, 0, 2, -1)), nn.Identity(),
            nn.Dropout(), nn.Flatten(),
        ])
    },
    **{
        name: Do(Function(function))
        for name, function in {
            "clamp": lambda x: x.clamp(min=-0.1), "clamp both": lambda x: torch.clamp(x, -0.1, 0.2),
            "max_pool2d": lambda x: F.max_pool2d(x, 3, stride=1), "avg_pool2d": lambda x: F.avg_pool2d(x, 2, padding=1),
            "mean": lambda x: x.mean((2, 3)), "mean keeps": lambda x: torch.mean(x, dim=[-1, -2], keepdim=True),
            "slice": lambda x: x[:, 1:5, ::2, 1:], "slice and pad": lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3)),
            "pad": lambda x: F.pad(x, (1, 2, 0, 1)), "squeeze": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(3).relu().squeeze(-1).unsqueeze(2), "chunk": lambda x: torch.cat(x.chunk(3, 1)[::-1], 1),
            "split": lambda x: (lambda p: torch.cat([p[1], p[0].relu()], 1))(torch.split(x, [2, 4], 1)),
            "excitation": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), "square": lambda x: x * x,
            "sum": lambda x: F.relu(torch.add(x, F.hardswish(x))), "plus itself": lambda x: x + x, "tanh": lambda x: x.tanh() * x,
            "clone": lambda x: x + x.clone().contiguous(),
        }.items()
    },
    "without weights": nn.Sequential(nn.AvgPool2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()), "twice": Do(Twice()),
    "Softmax": Do(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(dim=1))),
    "softmax": Do(Function(lambda x: F.softmax(x.flatten(1), dim=-1))),
    "flat": Do(nn.Sequential(nn.MaxPool2d(2, 2, 1), Flat())),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_torch_does(name, tmp_path, monkeypatch):
    strict(monkeypatch)
    net, x = randomise_norms(CASES[name]).eval(), images(3)
    with torch.no_grad():
        wanted = net(x)
    assert (says(write_c(net, x, tmp_path), x) - wanted).abs().max() < 1e-5


def test_every_operator_is_tested():
    def names(kept):
        return {str(kind) for kind in kept.values()}

    assert (names(_MODULES) | names(_FUNCTIONS)) - {"identity"} == set(OPERATORS)


FAMILIES = {
    **{name: (lambda name=name: network(name), images(4)) for name in NETWORKS},
    "lenet": (lambda: lenet(image_size=8), torch.randn(4, 1, 8, 8)),
    "resnet20": (resnet20, torch.randn(4, 3, 32, 32)),
    "vgg16": (vgg16, torch.randn(4, 3, 32, 32)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_agrees_when_it_was_shrunk(name, tmp_path):
    make, x = FAMILIES[name]
    torch.manual_seed(0)
    net = randomise_norms(make()).eval()
    groups = easiedge.find_groups(net, x)
    compact = easiedge.shrink(net, groups, random_mask(groups, 0.7), x).eval()
    with torch.no_grad():
        wanted = compact(x)
    path = write_c(compact, x, tmp_path)
    difference = (says(path, x) - wanted).abs().max()
    assert difference < 1e-5 * max(1.0, float(wanted.abs().max()))
    program = lower(ready(compact), x)
    assert program.macs == easiedge.count(compact, x[:1])["macs"]
    assert f"_MACS {program.macs} " in path.with_suffix(".h").read_text()


@pytest.mark.parametrize(("done", "message"), [
    (nn.GELU(), "GELU (layer 'done')"),
    (nn.ConvTranspose2d(6, 4, 2), "ConvTranspose2d (layer 'done')"),
    (nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect"), "pads with 'reflect', not zeros"),
    (nn.GroupNorm(2, 6), "GroupNorm (layer 'done')"),
    (nn.Sequential(nn.Flatten(), nn.Unflatten(1, (6, 64)), nn.Linear(64, 3)), "Unflatten (layer 'done.1')"),
    (Function(lambda x: F.pad(x, (1, 1, 0, 0), mode="reflect")), "pad (pad)"),
    (Function(lambda x: F.pad(x, (1, 1), value=1.0)), "pads with more than zeros"),
    (Function(lambda x: x - x.relu()), "sub (sub)"),
    (Function(lambda x: x * 2), "mul (mul)"),
    (Function(lambda x: torch.add(x, x.relu(), alpha=2)), "scales an operand"),
    (Function(lambda x: x + x.mean((2, 3), keepdim=True)), "different shapes"),
    (Function(lambda x: x.mean(1)), "mean (mean)"),
    (Function(lambda x: torch.cat([x, x], 2)), "does not join channels"),
    (Function(lambda x: x.chunk(2, 2)[0]), "something other than an image's channels"),
    (Function(lambda x: x[:, [0, 2]]), "more than slices"),
    (Function(lambda x: x.transpose(1, 2)), "transpose (transpose)"),
    (nn.Softmax(dim=1), "is not over the classes"),
    (nn.BatchNorm2d(6, track_running_stats=False), "no running statistics"),
])  # fmt: skip
def test_what_c_cannot_hold_is_named_and_no_file_is_there(done, message, tmp_path):
    with pytest.raises(ModelError, match="C cannot hold the operator") as caught:
        write_c(Do(done).eval(), images(2), tmp_path)
    assert message in str(caught.value) and not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    net = Do(nn.ReLU()).eval()
    net.conv.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"conv\.weight holds numbers that are not finite"):
        write_c(net, images(2), tmp_path)


def test_what_is_no_classifier_of_images_is_refused(tmp_path):
    with pytest.raises(ModelError, match="logits"):
        lower(ready(nn.Sequential(nn.Conv2d(2, 3, 3)).eval()), images(2))
    with pytest.raises(ModelError, match="one image"):
        lower(ready(nn.Sequential(nn.Linear(4, 3)).eval()), torch.zeros(2, 4))


@pytest.mark.parametrize("name", [*NETWORKS, "lenet", "resnet20"])
def test_buffers_that_are_alive_together_do_not_share_memory(name):
    make, x = FAMILIES[name]
    program = lower(ready(make().eval()), x)
    plan = plan_memory(program)
    spans = {}
    for at, call in enumerate(program.calls):
        for a in call.arguments:
            if getattr(a, "buffer", None) in plan.start:
                spans.setdefault(a.buffer, []).append(at)
    for a in spans:
        for b in spans:
            if a < b and max(min(spans[a]), min(spans[b])) <= min(max(spans[a]), max(spans[b])):
                ends = plan.start[a] + program.sizes[a], plan.start[b] + program.sizes[b]
                assert ends[0] <= plan.start[b] or ends[1] <= plan.start[a]
    assert plan.lower_bound <= plan.size <= 1.25 * plan.lower_bound
    assert plan.size < sum(program.sizes)
