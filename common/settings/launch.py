"""Settings of the launcher."""

from pydantic import Field

from common.domain.pacs_key import PacsKeys
from common.settings.base import SecretSettings
from common.settings.brain import BrainSettings
from common.settings.hub import HubSettings
from common.settings.pacs import PacsSettings
from common.settings.web import WebSettings


class LaunchSettings(HubSettings, BrainSettings, PacsSettings, WebSettings):
    """Runs Fr-HUB, Fr-BRAIN, Fr-PACS and the API with its page on this machine."""

    web: bool = Field(default=True, description="0 leaves out the API and its page")

    def given_keys(self) -> PacsKeys | None:
        """Fr-HUB's: that of the Fr-PACS is derived from them."""
        return SecretSettings.given_keys(self)
