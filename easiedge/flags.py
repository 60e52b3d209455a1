"""Hydra's flags among the arguments: those that are taken, and in what order.

Not taken are the ones that read a configuration from files: such a file can name anything to be called, or hold a pickle.
"""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.errors import EasiEdgeError

SHOWING = frozenset({"--help", "-h", "--hydra-help", "--info", "-i", "--cfg", "-c", "--shell-completion", "-sc"})
"""Nothing runs with these."""
SWEEPING = frozenset({"-m", "--multirun"})
"""Every combination of the values given is a run of its own."""
_MODES = {"--multirun", "-m", "--run", "-r", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc"}
_PLAIN = SHOWING | {"--multirun", "-m", "--run", "-r", "--resolve", "--package", "-p"}
_PARTS = ("job", "hydra", "all")
_VALUES: dict[str, tuple[str, ...]] = {
    "--cfg": _PARTS,
    "-c": _PARTS,
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (),
    "-p": (),
}
_VALUES["-i"] = _VALUES["--info"]


def parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Overrides, and flags, each followed by its value where it takes one; Hydra reads them in that order and no other.

    Raises:
        EasiEdgeError: a flag that is not taken, or a value that it does not have.
    """
    overrides, flags, left = list[str](), list[str](), list(arguments)
    while left:
        argument = left.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if name not in _PLAIN:
            raise EasiEdgeError(
                f"{name[:80]} is not taken: easiedge reads no configuration but its own and the overrides on the command line (-m sweeps, "
                "--help lists them)"
            )
        if name not in _VALUES:
            flags.append(argument)
            continue
        known = _VALUES[name]
        if not equals and left and "=" not in left[0] and not left[0].startswith("-"):
            value = left.pop(0)
        if (known and value not in known) or not value:
            if name in ("--info", "-i") and not value:
                flags.append(name)
                continue
            raise EasiEdgeError(
                f"{name} {value[:80]!r} is unknown: choose one of {', '.join(known) or 'the packages of the configuration'}"
            )
        flags += [name, value]
    modes = [flag for flag in flags if flag in _MODES]
    if len(modes) > 1:
        raise EasiEdgeError(f"{' and '.join(modes)} do not go together: give one of them")
    if {"--package", "-p", "--resolve"} & {*flags} and not {"--cfg", "-c"} & {*flags}:
        raise EasiEdgeError("--package and --resolve say how --cfg shows the configuration: add --cfg job")
    return overrides, flags
