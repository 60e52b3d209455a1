"""How rho changes from iteration to iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from easiedge.errors import TrainingError
from easiedge.plain_values import is_number


def _numbers(**given: object) -> None:
    for name, value in given.items():
        if not is_number(value) or value != value:
            raise TrainingError(f"the policy of rho has {name}={value!r:.60}, which is not a number")


class RhoPolicy(Protocol):
    """``rho`` of the next iteration from this one's, and from the residuals after its Z- and U-step."""

    def __call__(self, rho: float, primal: float, dual: float) -> float:
        """The next rho."""
        ...


@dataclass(frozen=True)
class ConstantRho:
    """``rho`` stays."""

    def __call__(self, rho: float, primal: float, dual: float) -> float:
        """The same rho."""
        return rho


@dataclass(frozen=True)
class IncreasingRho:
    """``rho <- min(factor * rho, maximum)``: gentle at first, firm at the end.

    Attributes:
        factor: growth per iteration, at least 1.
        maximum: where growth ends.
    """

    factor: float = 2.0
    maximum: float = 10.0

    def __post_init__(self) -> None:
        """Refuse a factor that would shrink rho."""
        _numbers(factor=self.factor, maximum=self.maximum)
        if self.factor < 1.0 or self.maximum <= 0.0:
            raise TrainingError(
                f"rho grows by factor={self.factor} up to maximum={self.maximum}: give a factor of 1 or more and a positive maximum"
            )

    def __call__(self, rho: float, primal: float, dual: float) -> float:
        """The grown rho; one that starts above the maximum stays."""
        return max(rho, min(rho * self.factor, self.maximum))


@dataclass(frozen=True)
class ResidualBalancing:
    """Keep the relative residuals within a factor ``mu`` of each other.

        rho <- tau * rho  if  r > mu * s;      rho <- rho / tau  if  s > mu * r        (Boyd et al. 2011, section 3.4.1;
        relative residuals as in Wohlberg 2017, "ADMM penalty parameter selection by residual balancing")

    Attributes:
        mu: tolerated imbalance, over 1.
        tau: change per iteration, over 1.
        minimum: lower bound of rho.
        maximum: upper bound of rho.
    """

    mu: float = 10.0
    tau: float = 2.0
    minimum: float = 1e-4
    maximum: float = 10.0

    def __post_init__(self) -> None:
        """Refuse factors that would swing the wrong way."""
        _numbers(mu=self.mu, tau=self.tau, minimum=self.minimum, maximum=self.maximum)
        if self.mu <= 1.0 or self.tau <= 1.0 or not 0.0 < self.minimum <= self.maximum:
            raise TrainingError(
                f"residual balancing has mu={self.mu}, tau={self.tau}: both must be over 1, with 0 < minimum <= maximum"
            )

    def __call__(self, rho: float, primal: float, dual: float) -> float:
        """The balanced rho; a start outside the bounds is not moved against the rule."""
        if primal > self.mu * dual:
            return max(rho, min(rho * self.tau, self.maximum))
        if dual > self.mu * primal:
            return min(rho, max(rho / self.tau, self.minimum))
        return rho
