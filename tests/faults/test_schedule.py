"""Same seed, same schedule; what the options choose."""

import pytest

from tests.faults import families  # noqa: F401 - adds the faults
from tests.faults.options import KILLS, OptionError, options_from
from tests.faults.schedule import CATALOGUE, Place, Security, schedule, security_of


def names(seed: int, round_number: int = 0, **given: str) -> list[str]:
    options = options_from({"SEED": str(seed), **given})
    plan = schedule(options, round_number)
    return [step.fault.name for steps in plan.values() for step in steps]


def test_the_same_seed_gives_the_same_faults_in_the_same_order() -> None:
    assert names(5) == names(5)
    assert names(5) != names(6)
    assert sorted(names(5)) == sorted(names(6))
    assert sorted(names(5, LONG="1")) == sorted(CATALOGUE.faults)


def test_a_fault_that_takes_minutes_is_run_where_it_is_asked_for() -> None:
    assert "old-database" not in names(5)
    assert names(5, ONLY="old-database") == ["old-database"]


def test_a_sample_of_the_faults_is_of_every_world_and_another_one_for_each_seed() -> None:
    plan = schedule(options_from({"SEED": "5", "SAMPLE": "0.5"}))
    whole = schedule(options_from({"SEED": "5"}))
    for place, steps in whole.items():
        assert len(plan[place]) == (len(steps) + 1) // 2
    halves = {tuple(names(seed, SAMPLE="0.5")) for seed in range(20)}
    assert len(halves) == 20
    assert sorted(set().union(*halves)) == sorted(names(5))


def test_each_round_has_another_order() -> None:
    assert names(5, 0) != names(5, 1)


def test_what_is_random_in_a_fault_hangs_on_the_seed_and_not_on_the_other_faults() -> None:
    def drawn(only: str) -> dict[str, float]:
        plan = schedule(options_from({"SEED": "5", "ONLY": only}))
        return {step.fault.name: step.random().random() for step in plan[Place.SERVER]}

    assert drawn("kill-hub,kill-pacs")["kill-hub"] == drawn("kill-hub")["kill-hub"]


def test_only_chooses_by_name_and_by_beginning() -> None:
    assert sorted(names(1, ONLY="kill-hub, kill-pacs")) == ["kill-hub", "kill-pacs"]
    assert all(name.startswith("at-hub.") for name in names(1, ONLY="at-hub.*"))


def test_a_world_has_the_security_that_its_seed_draws_or_none_where_a_peer_knows_none() -> None:
    def drawn(seed: int, only: str) -> Security:
        [(place, steps)] = schedule(options_from({"SEED": str(seed), "ONLY": only})).items()
        return security_of(place, steps)

    assert {drawn(seed, "kill-hub") for seed in range(20)} == {Security.SECRET, Security.TLS}
    assert drawn(5, "kill-hub") == drawn(5, "kill-hub")
    assert {drawn(seed, "malformed,same-scan") for seed in range(20)} == {Security.NONE}


def test_a_fault_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(OptionError, match=r"ONLY='earthquake': there are .*kill-hub"):
        names(1, ONLY="earthquake")


@pytest.mark.parametrize(
    ("name", "value"), [("SEED", "x"), ("KILLS", "-1"), ("MINUTES", "0"), ("LOAD", "0")]
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"{name}='{value}'"):
        options_from({name: value})


def test_without_variables_there_is_a_seed_and_the_usual_kills() -> None:
    options = options_from({"ONLY": "", "SEED": ""})
    assert (options.kills, options.only, options.minutes) == (KILLS, (), None)
    assert 3 * options.kills >= 50
