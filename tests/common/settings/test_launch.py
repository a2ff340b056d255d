from pydantic import SecretStr

from common.domain.pacs_key import PacsKeys
from common.settings.base import Settings
from common.settings.brain import BrainSettings
from common.settings.hub import HubSettings
from common.settings.launch import LaunchSettings
from common.settings.pacs import PacsSettings
from common.settings.web import WebSettings


def test_the_launcher_reads_the_settings_of_all_units() -> None:
    kinds: list[type[Settings]] = [HubSettings, BrainSettings, PacsSettings, WebSettings]
    for kind in kinds:
        assert kind.model_fields.keys() <= LaunchSettings.model_fields.keys()


def test_its_secret_is_fr_hubs_from_which_the_key_of_its_fr_pacs_is_derived() -> None:
    secret = SecretStr("s" * 32)
    keys = LaunchSettings(shared_secret=secret).given_keys()
    assert isinstance(keys, PacsKeys)
    assert keys == HubSettings(shared_secret=secret).given_keys()
