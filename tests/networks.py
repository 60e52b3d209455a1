"""Small networks, one for each way in which channels are tied."""

import torch
import torch.nn.functional as F
from torch import nn


def randomise_norms(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms statistics and affine parameters as after training, so that a forgotten shift shows."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            n = module.num_features
            module.weight.data = 0.5 + torch.rand(n, generator=generator)
            module.bias.data = 0.3 * torch.randn(n, generator=generator)
            module.running_mean = 0.1 * torch.randn(n, generator=generator)
            module.running_var = 0.5 + torch.rand(n, generator=generator)
    return model


class Small(nn.Module):
    """Two convolutions of ``width`` units and a head, with room for something odd."""

    def __init__(self, width=8):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.h = nn.Linear(width, 3)

    def forward(self, x):
        return self.h(F.relu(self.b(F.relu(self.a(x)))).mean((2, 3)))


class Plain(nn.Module):
    """Two convolutions, one with a norm and one with a bias, a flatten into a hard-coded size, two linear layers."""

    def __init__(self, a=6, b=5, hidden=7, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(2, a, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(a)
        self.conv2 = nn.Conv2d(a, b, 3, padding=1)
        self.size = b * 4 * 4
        self.fc1 = nn.Linear(self.size, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.conv2(x))
        return self.fc2(F.relu(self.fc1(x.view(-1, self.size))))


class Residual(nn.Module):
    """A stream with two blocks and a channel-padding shortcut."""

    def __init__(self, width=4, inner=5, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(2, width, 3, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(width)
        self.a1 = nn.Conv2d(width, inner, 3, padding=1, bias=False)
        self.a1_bn = nn.BatchNorm2d(inner)
        self.a2 = nn.Conv2d(inner, width, 3, padding=1, bias=False)
        self.a2_bn = nn.BatchNorm2d(width)
        self.b1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False)
        self.b1_bn = nn.BatchNorm2d(2 * width)
        self.head = nn.Linear(2 * width, classes)
        self.width = width

    def forward(self, x):
        x = F.relu(self.stem_bn(self.stem(x)))
        out = self.a2_bn(self.a2(F.relu(self.a1_bn(self.a1(x)))))
        out += x
        x = F.relu(out)
        half = self.width // 2
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))
        x = F.relu(self.b1_bn(self.b1(x)) + shortcut)
        return self.head(x.mean((2, 3)))


class Depthwise(nn.Module):
    """An inverted residual with squeeze and excitation."""

    def __init__(self, width=4, expanded=6, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(2, width, 3, padding=1)
        self.expand = nn.Conv2d(width, expanded, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(expanded)
        self.depthwise = nn.Conv2d(expanded, expanded, 3, padding=1, groups=expanded, bias=False)
        self.bn2 = nn.BatchNorm2d(expanded)
        self.squeeze = nn.Conv2d(expanded, 3, 1)
        self.excite = nn.Conv2d(3, expanded, 1)
        self.project = nn.Conv2d(expanded, width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x)
        y = F.hardswish(self.bn1(self.expand(x)))
        y = F.hardswish(self.bn2(self.depthwise(y)))
        scale = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        x = x + self.bn3(self.project(y * scale))
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Concatenation(nn.Module):
    """Dense connections: every norm scales channels of several producers; ends in a chunk."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, padding=1, bias=False)
        self.bn_all = nn.BatchNorm2d(9)
        self.conv3 = nn.Conv2d(9, 6, 1)
        self.left = nn.Conv2d(3, 4, 1)
        self.right = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        x = self.conv1(x)
        y = self.conv2(F.relu(self.bn(x)))
        z = F.relu(self.conv3(F.relu(self.bn_all(torch.cat([x, y], 1)))))
        a, b = z.chunk(2, dim=1)
        return self.head((F.relu(self.left(a)) * F.relu(self.right(b))).mean((2, 3)))


class Grouped(nn.Module):
    """A grouped convolution whose groups live or die whole, and an activation that does not keep zero."""

    def __init__(self, classes=3):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4, bias=False)
        self.bn = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 5, 1)
        self.conv3 = nn.Conv2d(5, 4, 1)
        self.head = nn.Linear(4, classes)

    def forward(self, x):
        x = F.relu(self.bn(self.grouped(F.relu(self.conv1(x)))))
        x = torch.sigmoid(self.conv2(x))  # 0.5 at zero: its channels cannot go
        return self.head(F.relu(self.conv3(x)).mean((2, 3)))


NETWORKS = {c.__name__: c for c in (Plain, Residual, Depthwise, Concatenation, Grouped)}


def network(name: str, seed: int = 0) -> nn.Module:
    """One of the networks with random weights and lively norms, in eval mode."""
    torch.manual_seed(seed)
    return randomise_norms(NETWORKS[name](), seed).eval()


@torch.no_grad()
def centred(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """Shift the last layer's bias so that the logits have mean zero over ``x``: the network then predicts several classes."""
    *_, last = (m for m in model.modules() if isinstance(m, nn.Linear))
    last.bias -= model(x).mean(0)
    return model


def images(count: int = 4, seed: int = 0) -> torch.Tensor:
    """Random images of the size the networks expect."""
    return torch.randn(count, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


def random_mask(groups, share: float, seed: int = 0):
    """Remove about ``share`` of every group at random, at least one unit staying."""
    from easiedge.unit import FilterMask

    generator = torch.Generator().manual_seed(seed)
    keep = {}
    for g in groups:
        k = torch.rand(g.size, generator=generator) >= share
        k[torch.randint(g.size, (1,), generator=generator)] = True
        keep[g.name] = k
    return FilterMask(keep)
