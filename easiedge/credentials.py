"""Keys and passwords do not belong on a command line: it goes into the run directory and to loggers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from easiedge.errors import EasiEdgeError

_SECRET = re.compile(
    r"(?:^|[^a-z])(?:api_?key|access_?key|private_?key|secret(?:_?key)?|token|passw(?:or)?d|passphrase|credentials?)"
    r"(?:$|[^a-z])",
    re.IGNORECASE,
)  # in the name of an override
_VARIABLE = re.compile(
    r"(?:(?:^|_|API)KEY|TOKEN|SECRET|PASSWORD|PASSWD|(?:^|_)PASS|_PWD|PASSPHRASE|CREDENTIALS?)(?:_?\d+)?$",
    re.IGNORECASE,
)  # the end of an environment variable's name: WANDB_API_KEY, and not SITE_KEYS_DIR
_PASSWORD = re.compile(r"PASS|PWD", re.IGNORECASE)  # people choose these, and shorter ones
_ASKS = re.compile(r"oc\.env\s*:\s*['\"]?(\w+)")
_ADDRESS = re.compile(r"\w+://[^/\s:@]*:[^/\s@]+@")
SHORTEST, SHORTEST_PASSWORD, LONGEST = 12, 8, 8192  # letters of a value that is taken for a secret
_ADVICE = "a run writes its overrides down; keep it in the environment, as WANDB_API_KEY for W&B (or wandb login)"


def check_overrides_hold_no_secret(overrides: Iterable[str], environment: Mapping[str, str] | None = None) -> None:
    """Raise where an override is, or asks for, what looks like a key or a password; the value is never repeated.

    Raises:
        EasiEdgeError: names the override.
    """
    given = os.environ if environment is None else environment
    known = secrets_of(given)
    for override in overrides:
        key, _, value = override.partition("=")
        name = key.strip().lstrip("+~")
        if value and _SECRET.search(name.rpartition(".")[2]):
            raise EasiEdgeError(f"the override {name[:80]} looks like a secret: {_ADVICE}")
        asked = _ASKS.search(override)
        if asked is not None and _VARIABLE.search(asked[1]) and not _is_path(given.get(asked[1], "")):
            raise EasiEdgeError(f"the override {name[:80]} reads {asked[1][:80]}, which looks like a secret: {_ADVICE}")
        _check(override, f"the override {name[:80]}", known)


def check_values_hold_no_secret(values: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
    """The same for a composed configuration by dotted names, interpolations resolved.

    Raises:
        EasiEdgeError: names the value.
    """
    known = secrets_of(os.environ if environment is None else environment)
    for name, value in values.items():
        if isinstance(value, str):
            _check(value, name[:80], known)


def secrets_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Name by value of the variables that look like secrets, by the ends of their names and what is no path."""
    return {
        value: name for name, value in environment.items() if _VARIABLE.search(name) and _may_be_secret(name, value)
    }


def _may_be_secret(name: str, value: str) -> bool:
    shortest = SHORTEST_PASSWORD if _PASSWORD.search(name) else SHORTEST
    return shortest <= len(value) <= LONGEST and not _is_path(value)


def _is_path(value: str) -> bool:
    """Whether it leads to a file or folder that exists; a bare name does not."""
    return os.sep in value and len(value) <= LONGEST and os.path.exists(value)


def _check(text: str, name: str, known: Mapping[str, str]) -> None:
    for secret, variable in known.items():
        if secret in text:
            raise EasiEdgeError(f"{name} holds the value of {variable}, which looks like a secret: {_ADVICE}")
    if _ADDRESS.search(text):
        raise EasiEdgeError(f"{name} holds an address with a password in it: {_ADVICE}")
