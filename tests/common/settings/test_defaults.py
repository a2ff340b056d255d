"""Defaults of settings as a person writes them."""

from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from common.settings.brain import BrainSettings
from common.settings.commands import CertSettings
from common.settings.defaults import default_text, is_fixed
from common.settings.hub import HubSettings
from common.settings.pacs import PacsSettings


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (None, ""),
        ((), ""),
        (True, "1"),
        (False, "0"),
        (2.0, "2"),
        (0.25, "0.25"),
        (Path(".data"), ".data"),
        (frozenset({"b", "a"}), "a,b"),
        ({"mr-1": ("127.0.0.1", 7302)}, "mr-1=127.0.0.1:7302"),
    ],
)
def test_a_default_is_what_one_would_set(default: object, text: str) -> None:
    assert default_text("name", FieldInfo(default=default)) == text


def test_the_defaults_of_fields() -> None:
    assert default_text("names", CertSettings.model_fields["names"]) == "fr-hub,pacs-1"
    assert default_text("hub_pacs", HubSettings.model_fields["hub_pacs"]) == "pacs-1=127.0.0.1:7302"
    assert default_text("priority", PacsSettings.model_fields["priority"]) == "routine"


def test_a_default_that_depends_on_the_machine_is_described() -> None:
    field = BrainSettings.model_fields["brain_processes"]
    assert default_text("brain_processes", field) == "one per core"
    assert is_fixed("brain_batch")
    assert not is_fixed("brain_processes")
