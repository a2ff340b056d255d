import subprocess
import sys

import pytest

from common.settings.base import Settings
from common.settings.commands import ErrorsSettings, ListSettings
from common.settings.hub import HubSettings
from common.settings.names import RENAMED, an_own_name, every_name, name_of, names_of


def every_kind(kind: type[Settings] = Settings) -> set[type[Settings]]:
    below = [every_kind(one) for one in kind.__subclasses__()]
    return set().union({kind}, *below)


def test_old_names_of_settings_count() -> None:
    assert {"HUB_PORT", "STRANGERS"} <= names_of(HubSettings)
    assert names_of(HubSettings) >= RENAMED


def test_a_field_is_named_as_it_is_set() -> None:
    assert name_of("json_output", ListSettings.model_fields["json_output"]) == "JSON"
    assert name_of("max_unauthenticated", HubSettings.model_fields["max_unauthenticated"]) == (
        "MAX_UNAUTHENTICATED"
    )


@pytest.mark.parametrize(
    ("kind", "name"), [(HubSettings, "HUB_HOST"), (ErrorsSettings, "JSON"), (Settings, "LOG_LEVEL")]
)
def test_a_kind_has_a_name_for_an_example(kind: type[Settings], name: str) -> None:
    assert an_own_name(kind) == name


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
