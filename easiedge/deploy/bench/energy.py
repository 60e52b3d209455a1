"""Joules, where the system counts them: RAPL (Intel and AMD under Linux), or a board's supply sensor (Jetson's INA3221).

RAPL counts the energy of the whole processor package, the supply sensor that of the whole board: what else runs counts too, so the
machine's idle power is measured beside and told (``idle_watts``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

SYSTEM, SUPPLIES, SAMPLE_SECONDS = Path("/sys"), ("VDD_IN", "POM_5V_IN"), 0.01


class Meter(Protocol):
    """A way to read joules.

    Attributes:
        source: in words.
    """

    source: str

    def joules(self, run: Callable[[], object]) -> float:
        """What the machine took while ``run`` ran once."""
        ...


class Rapl:
    """``energy_uj`` of each package, microjoules that begin again at ``max_energy_range_uj``."""

    source = "RAPL, processor packages"

    def __init__(self, counters: list[Path]) -> None:
        self.counters = counters
        self.ranges = [int((c.parent / "max_energy_range_uj").read_text()) for c in counters]

    def joules(self, run: Callable[[], object]) -> float:
        """Difference of the counters; the run must be shorter than their range (minutes)."""
        before = self._read()
        run()
        after = self._read()
        return sum((a - b) % (r + 1) for a, b, r in zip(after, before, self.ranges, strict=True)) / 1e6

    def _read(self) -> list[int]:
        return [int(counter.read_text()) for counter in self.counters]


class Supply:
    """Millivolts times milliamperes of a board's supply, sampled while it runs."""

    def __init__(self, volts: Path, amperes: Path, name: str) -> None:
        self.volts, self.amperes, self.source = volts, amperes, f"{name}, the board's supply"

    def joules(self, run: Callable[[], object]) -> float:
        """Mean of the samples times the seconds."""
        watts = [self._watts()]
        done = threading.Event()

        def sample() -> None:
            while not done.wait(SAMPLE_SECONDS):
                watts.append(self._watts())

        sampler = threading.Thread(target=sample, daemon=True)
        begun = time.perf_counter()
        sampler.start()
        try:
            run()
        finally:
            seconds = time.perf_counter() - begun
            done.set()
            sampler.join()
        return sum(watts) / len(watts) * seconds

    def _watts(self) -> float:
        return int(self.volts.read_text()) * int(self.amperes.read_text()) / 1e6


def energy_meter(system: Path = SYSTEM) -> Meter | None:
    """The meter that this machine lets us read; None where there is none."""
    with suppress(OSError, ValueError):
        packages = sorted(system.glob("class/powercap/intel-rapl:[0-9]*/energy_uj"))
        packages = [
            p for p in packages if _zone(p.parent).startswith("package-")
        ]  # not their parts, nor the whole board's psys
        if packages and all(int(p.read_text()) >= 0 for p in packages):
            return Rapl(packages)
    for label in sorted(system.glob("class/hwmon/hwmon*/in*_label")):
        with suppress(OSError, ValueError):
            number = label.name.removeprefix("in").removesuffix("_label")
            if (name := label.read_text().strip()) in SUPPLIES:
                found = Supply(label.parent / f"in{number}_input", label.parent / f"curr{number}_input", name)
                found._watts()
                return found
    return None


def _zone(folder: Path) -> str:
    name = folder / "name"
    return name.read_text(encoding="utf-8").strip() if name.is_file() else ""


def watts_when_idle(meter: Meter, seconds: float = 1.0) -> float:
    """What the machine takes while this process waits."""
    return meter.joules(lambda: time.sleep(seconds)) / seconds


def joules_in_turns(
    meter: Meter, networks: Mapping[str, Callable[[], object]], seconds: float = 1.0, rounds: int = 2
) -> dict[str, float]:
    """Joules of one run of each network: mean over ``rounds`` turns of ``seconds`` each, forth and back."""
    found: dict[str, list[float]] = {name: [] for name in networks}
    for number in range(rounds):
        for name in networks if number % 2 == 0 else reversed(list(networks)):
            found[name].append(_joules_per_run(meter, networks[name], seconds))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _joules_per_run(meter: Meter, run: Callable[[], object], seconds: float) -> float:
    done = 0

    def several() -> None:
        nonlocal done
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            run()
            done += 1

    joules = meter.joules(several)
    return joules / done
