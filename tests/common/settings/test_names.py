import subprocess
import sys

import pytest

from common.settings.base import Settings
from common.settings.hub import HubSettings
from common.settings.names import every_name, names_of


def every_kind(kind: type[Settings] = Settings) -> set[type[Settings]]:
    below = [every_kind(one) for one in kind.__subclasses__()]
    return set().union({kind}, *below)


def test_old_names_of_settings_count() -> None:
    assert {"HUB_PORT", "STRANGERS"} <= names_of(HubSettings)


def test_every_name_is_that_of_every_kind_of_settings() -> None:
    names = every_name()
    kinds = {kind for kind in every_kind() if kind.__module__.startswith("common.")}
    assert names == set().union(*map(names_of, kinds))
    assert {"HUB_PORT", "BRAIN_LEASE_S", "SCANS", "WEB_PORT", "USER_ADD", "DEEP", "WEB"} <= names


@pytest.mark.parametrize(
    ("unit", "others"),
    [
        ("fr_hub", ("brain", "commands", "pacs", "users", "web", "launch")),
        ("fr_brain", ("commands", "hub", "pacs", "users", "web", "launch")),
        ("fr_pacs", ("brain", "commands", "hub", "users", "web", "launch")),
    ],
)
def test_a_unit_starts_without_the_settings_of_others(unit: str, others: tuple[str, ...]) -> None:
    program = f"import sys, {unit}.__main__; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {f"common.settings.{name}" for name in others} & set(ran.stdout.split())
