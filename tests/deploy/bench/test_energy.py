"""Joules from a made-up /sys."""

import pytest

from easiedge.deploy.bench.energy import Rapl, Supply, energy_meter, joules_in_turns, watts_when_idle


def rapl(system, number, start, most=262_143_328_850, name="package-0"):
    folder = system / "class" / "powercap" / f"intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{start}\n")
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder / "energy_uj"


def test_packages_add_up_and_a_counter_may_begin_again(tmp_path):
    first, second = rapl(tmp_path, "0", 1_000_000), rapl(tmp_path, "1", 9_999_000, most=9_999_999, name="package-1")
    rapl(tmp_path, "0:0", 5, name="core")  # the package counts it already
    rapl(tmp_path, "2", 5, name="psys")  # and this counts the packages
    meter = energy_meter(tmp_path)
    assert isinstance(meter, Rapl) and len(meter.counters) == 2

    def work():
        first.write_text("3500000")
        second.write_text("499000")  # passed 9,999,999 and began again

    assert meter.joules(work) == pytest.approx(2.5 + 0.5)


def test_joules_of_one_of_many_runs(tmp_path):
    counter, order = rapl(tmp_path, "0", 0), []

    def network(name, joules):
        def work():
            order.append(name)
            counter.write_text(str(int(counter.read_text()) + joules * 1_000_000))

        return work

    found = joules_in_turns(energy_meter(tmp_path), {"a": network("a", 2), "b": network("b", 5)}, seconds=0.01)
    assert found == {"a": pytest.approx(2.0), "b": pytest.approx(5.0)}
    assert [name for i, name in enumerate(order) if i == 0 or order[i - 1] != name] == ["a", "b", "a"]  # forth and back


def sensor(system, label, millivolts, milliamperes):
    folder = system / "class" / "hwmon" / "hwmon3"
    folder.mkdir(parents=True)
    for name, text in (("in1_label", label), ("in1_input", millivolts), ("curr1_input", milliamperes)):
        (folder / name).write_text(f"{text}\n")


def test_a_boards_supply_is_sampled(tmp_path):
    sensor(tmp_path, "VDD_IN", 5000, 800)
    meter = energy_meter(tmp_path)
    assert isinstance(meter, Supply) and "VDD_IN" in meter.source
    assert watts_when_idle(meter, 0.05) == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize("label", ["VDD_CPU", ""])
def test_no_meter_where_nothing_measures_the_whole(tmp_path, label):
    sensor(tmp_path, label, 5000, 800)
    assert energy_meter(tmp_path) is None


def test_no_meter_where_the_counter_is_for_root_alone(tmp_path, monkeypatch):
    rapl(tmp_path, "0", "what only root may read")
    assert energy_meter(tmp_path) is None
