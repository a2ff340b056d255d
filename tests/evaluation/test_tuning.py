"""Heads for tuning are never those that judge."""

import pytest

from tests.evaluation.realistic.rows import JUDGING_SEEDS
from tests.evaluation.tuning import FAMILIES, main, options_of, plans


def test_families_take_turns() -> None:
    own = list(plans(options_of(["--kinds", "flow;child", "--seed", "700000", "--heads", "3"])))
    assert [plan.name for plan in own] == ["flow"] * 3 + ["child"] * 3
    assert [plan.family for plan in own] == [FAMILIES[n] for n in (0, 1, 2, 1, 2, 3)]
    assert "colin" not in FAMILIES


@pytest.mark.parametrize(
    "wrong",
    [
        ["--families", "colin"],
        ["--seed", str(JUDGING_SEEDS[5])],
        ["--seed", "900000"],
        ["--kinds", "no such kind"],
    ],
)
def test_what_judges_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--kinds", "flow", *wrong])


def test_each_head_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kinds", "soft 3 mm", "--seed", "700000", "--families", "coded"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("| soft 3 mm, coded, 0 | coarse"))
    assert " of " in row
    assert lines[-1].startswith("| all | 0 | 0 | 0 | 1 |")
