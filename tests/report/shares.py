"""Groups and what is kept of them, as many as a test wants."""

from easiedge.report.kept_share import GroupShare, KeptShares


def shares_of(number, collapsed=(), size=100, macs=False):
    """``number`` groups that keep 30 to 69 of 100 units in waves, those of ``collapsed`` one."""
    groups = []
    for i in range(number):
        kept = 1 if i in collapsed else 30 + 13 * i % 40
        cost = (1000.0 * (i + 1), 10.0 * kept * (i + 1)) if macs else (None, None)
        groups.append(GroupShare(f"features.{i}.conv", kept, size, i in collapsed, *cost))
    return KeptShares(tuple(groups), 0.05)
