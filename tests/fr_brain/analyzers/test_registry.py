"""The registry finds what packages offer, and refuses what would fail later."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import AnalysisError
from fr_brain.analyzers.grid import GridAnalyzer
from fr_brain.analyzers.registry import Registry, load_analyzers
from fr_brain.analyzers.volume.analyzer import VolumeAnalyzer

Plant = Callable[[str, str], None]

ANALYZER = """
class Planted:
    name = {name!r}
    version = "3"
    scan_types = frozenset({types!r})
    priority = {priority!r}
    made = 0

    def __init__(self):
        Planted.made += 1

    def analyse(self, scan, voxels):
        raise NotImplementedError
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Installs a package with one analyzer: its name and its source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def add(package: str, source: str) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[fr_brain.analyzers]\nplanted = {package}:Planted\n"
        )
        importlib.invalidate_caches()
        names.append(package)

    yield add
    for name in names:
        sys.modules.pop(name, None)


def planted(types: set[str], *, priority: int = 0, name: str = "planted") -> str:
    return ANALYZER.format(name=name, types=types, priority=priority)


def test_the_own_analyzers_are_found() -> None:
    registry = load_analyzers()
    assert isinstance(registry.pick("grid"), GridAnalyzer)
    assert isinstance(registry.pick("volume"), VolumeAnalyzer)


def test_an_unknown_type_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(AnalysisError, match=r"'x-ray'; known: ecg, flair, grid, t1, volume"):
        load_analyzers().pick("x-ray")


def test_an_empty_registry_says_that_it_knows_none() -> None:
    with pytest.raises(AnalysisError, match="known: none"):
        Registry([]).pick("grid")


def test_another_package_brings_its_analyzer_and_it_is_made_once(plant: Plant) -> None:
    plant("fr_planted_pet", planted({"pet"}))
    registry = load_analyzers()
    analyzer = registry.pick("pet")
    assert analyzer.name == "planted"
    assert registry.pick("pet") is analyzer
    assert type(analyzer).made == 1  # type: ignore[attr-defined]
    assert set(registry.by_type) == {"ecg", "flair", "grid", "pet", "t1", "volume"}


def test_the_highest_priority_wins(plant: Plant) -> None:
    plant("fr_planted_better", planted({"grid", "pet"}, priority=10))
    registry = load_analyzers()
    assert registry.pick("grid").name == "planted"
    assert registry.pick("volume").name == "volume"


def test_a_lower_priority_loses(plant: Plant) -> None:
    plant("fr_planted_worse", planted({"grid"}, priority=-1))
    assert load_analyzers().pick("grid").name == "grid"


def test_a_tie_is_an_error_that_names_both(plant: Plant) -> None:
    plant("fr_planted_rival", planted({"grid"}))
    with pytest.raises(AnalysisError, match=r"'grid' of fr and 'planted' of fr_planted_rival"):
        load_analyzers()


def test_a_tie_below_the_highest_is_none(plant: Plant) -> None:
    plant("fr_planted_one", planted({"grid"}, priority=0, name="one"))
    plant("fr_planted_two", planted({"grid"}, priority=5, name="two"))
    assert load_analyzers().pick("grid").name == "two"


def test_a_package_that_cannot_be_imported_is_named(plant: Plant) -> None:
    plant("fr_planted_broken", "import a_module_that_is_nowhere\n")
    with pytest.raises(AnalysisError, match=r"fr_planted_broken.*a_module_that_is_nowhere") as info:
        load_analyzers()
    assert isinstance(info.value.__cause__, ModuleNotFoundError)


def test_a_class_that_cannot_be_made_is_named(plant: Plant) -> None:
    plant("fr_planted_hollow", "def Planted():\n    raise OSError('no disk')\n")
    with pytest.raises(AnalysisError, match=r"fr_planted_hollow.*no disk") as info:
        load_analyzers()
    assert isinstance(info.value.__cause__, OSError)


def test_an_object_that_is_no_analyzer_is_named(plant: Plant) -> None:
    plant("fr_planted_alien", "class Planted:\n    pass\n")
    with pytest.raises(AnalysisError, match="fr_planted_alien"):
        load_analyzers()


def test_an_analyzer_that_takes_no_type_is_refused(plant: Plant) -> None:
    plant("fr_planted_idle", planted(set()))
    with pytest.raises(AnalysisError, match=r"fr_planted_idle.*no scan type"):
        load_analyzers()


def test_a_name_that_no_report_can_carry_is_refused_at_the_start(plant: Plant) -> None:
    plant("fr_planted_nameless", planted({"pet"}, name=""))
    with pytest.raises(AnalysisError, match="fr_planted_nameless"):
        load_analyzers()


def test_an_analyzer_that_is_not_in_use_can_be_chosen(plant: Plant) -> None:
    plant("better", planted({"grid"}, priority=9))
    registry = load_analyzers()
    own = GridAnalyzer()
    named = f"{own.name} {own.version}"
    assert registry.pick("grid").name == "planted"
    assert isinstance(registry.chosen(named, "grid"), GridAnalyzer)
    assert registry.chosen(named, "volume") is None
    assert registry.chosen("grid 0", "grid") is None
    assert {named, "planted 3"} <= set(map(str, registry.installed))
