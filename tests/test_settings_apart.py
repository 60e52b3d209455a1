"""Which settings of two runs differ."""

import pytest

from easiedge.settings_apart import settings_apart

ADMM = {"schedule._target_": "easiedge.schedule.admm.Admm", "schedule.rho": 0.1}


def test_values_names_and_absent_settings_differ():
    assert settings_apart(ADMM, ADMM) == []
    assert settings_apart(ADMM, {**ADMM, "schedule.rho": 1.0}) == ["schedule.rho"]
    assert settings_apart(ADMM, {**ADMM, "seed": None}) == ["seed"]
    assert settings_apart({**ADMM, "b": 1, "a": 1}, ADMM) == ["a", "b"]


def test_what_an_older_version_did_not_know_is_the_same_at_the_value_its_class_takes():
    assert settings_apart(ADMM, {**ADMM, "schedule.dual_in_scores": False}) == []
    assert settings_apart(ADMM, {**ADMM, "schedule.dual_in_scores": True}) == ["schedule.dual_in_scores"]
    assert settings_apart(ADMM, {**ADMM, "schedule.dual_in_scores": 0}) == ["schedule.dual_in_scores"]


def test_a_setting_whose_default_is_not_what_was_before_differs():
    assert settings_apart(ADMM, {**ADMM, "schedule.start": 0.9}) == ["schedule.start"]


def test_what_an_older_version_knew_and_the_newer_does_not_differs():
    assert settings_apart({**ADMM, "schedule.dual_in_scores": False}, ADMM) == ["schedule.dual_in_scores"]


@pytest.mark.parametrize("target", ["easiedge.schedule.admm.Nothing", "no_such_package.Thing", 3, None])
def test_without_a_class_to_ask_a_setting_that_is_new_differs(target):
    old = {"schedule._target_": target}
    assert settings_apart(old, {**old, "schedule.dual_in_scores": False}) == ["schedule.dual_in_scores"]
