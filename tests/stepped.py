"""A device made up for tests: its milliseconds go in steps, and widths off its alignment are slower than larger ones."""

import numpy as np

from easiedge.model.cost import NetworkCost


class Stepped:
    """``sum_l w_l ceil(in/block) ceil(out/block)``, a quarter more where ``out`` is no multiple of ``block``."""

    def __init__(self, cost: NetworkCost, block: int = 4, overhead: float = 0.5):
        self.cost, self.block, self.overhead = cost, block, overhead
        self.names = cost.names
        self.calls = 0

    def total(self, n):
        self.calls += 1
        n = np.asarray(n, dtype=float)
        inputs, outputs = self.cost.in0 + n @ self.cost.reads.T, self.cost.out0 + n @ self.cost.makes.T
        blocks = np.ceil(inputs / self.block) * np.ceil(outputs / self.block)
        late = np.where(outputs % self.block == 0, 1.0, 1.25)
        return self.overhead + ((1.0 + self.cost.weights[1] / 16) * blocks * late).sum(-1)

    def marginal(self, n, steps):
        lower = n - np.diag(steps)
        return self.total(n) - self.total(lower)

    def along(self, n, group, widths):
        every = np.repeat(np.asarray(n, dtype=float)[None], len(widths), 0)
        every[:, group] = widths
        return self.total(every)
