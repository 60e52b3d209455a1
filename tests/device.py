"""A made-up device: its table needs no engine."""

import numpy as np

from easiedge.deploy.latency.engine import Setting
from easiedge.deploy.latency.fit import fit
from easiedge.deploy.latency.profile import Profile
from easiedge.deploy.latency.table import LatencyTable, Quality
from easiedge.deploy.latency.widths import layer_widths, measured_widths

SETTING = Setting("onnxruntime", "1.0", "CPUExecutionProvider", 20, 2, "a made-up processor")


def true_ms(inputs, outputs):
    """Blocks of four channels, and a road half as fast for outputs off them."""
    blocks = (np.ceil(inputs / 4) * 4) * (np.ceil(outputs / 4) * 4)
    return 0.01 + 0.002 * blocks * np.where(outputs % 4 == 0, 1.0, 2.0)


def made_up_table(model, groups, x, count=40):
    """The table that such a device would give."""
    widths = layer_widths(model, groups, x)
    kept = measured_widths(widths.sizes, count)
    profiles = []
    for n in kept.astype(float):
        layers = true_ms(*widths.at(n))
        profiles.append(Profile(0.5 + 1.25 * layers.sum(), 0.01, layers, np.ones(len(layers)), 0.0, 1.0))
    found = fit(widths, kept, profiles)
    median, worst = float(np.median(found.errors)), float(found.errors.max())
    quality = Quality(count, 30, 5, 0.01, profiles[0].total_ms, median, worst)
    dense = np.stack(widths.at(widths.sizes), 1).astype(np.int64)
    return LatencyTable(
        SETTING, (1, *x.shape[1:]), widths.layers, widths.kinds, dense, found.surfaces, found.overhead, found.factor, quality,
        found.streaming,
    )  # fmt: skip
