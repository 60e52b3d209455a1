"""The threshold of a search: a share of an accuracy, free of the rounding of their product.

Accuracies are ``right / samples``; ``0.9 * (10 / 13)`` is larger than ``9 / 13`` in floating point, although both are the same number.
"""

SLACK = 1e-12  # far less than one sample of any data set


def least_accuracy(share: float, accuracy: float) -> float:
    """What ``accuracy' >= share * accuracy`` is tested against."""
    return share * accuracy * (1.0 - SLACK)
