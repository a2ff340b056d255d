"""The certificates of ``make all``: each unit's own, as a unit is who its certificate names."""

from pathlib import Path

from common.domain.types import HUB_NAME
from common.errors import SettingsError
from common.settings.loading import LaunchSettings


def own_certificates(settings: LaunchSettings) -> dict[str, dict[str, str]]:
    """For Fr-HUB and Fr-PACS the settings of its own certificate and key: those files beside
    TLS_CERT and TLS_KEY that have its name, as ``make certs`` makes them. Empty without TLS.

    Raises:
        SettingsError: one is not there.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return {}
    found = {}
    names = {"fr-hub": HUB_NAME, "fr-pacs": settings.pacs_name}
    for unit, name in names.items():
        files = {
            "TLS_CERT": settings.tls_cert.with_name(name + settings.tls_cert.suffix),
            "TLS_KEY": settings.tls_key.with_name(name + settings.tls_key.suffix),
        }
        for setting, path in files.items():
            if not path.is_file():
                raise SettingsError(
                    f"{setting}: {name} needs a certificate of its own, and there is no "
                    f"{str(path)!r}: {_remedy(settings.tls_cert.parent, *names.values())}"
                )
        found[unit] = {setting: str(path) for setting, path in files.items()}
    return found


def _remedy(folder: Path, *names: str) -> str:
    return f"make certs NAMES={','.join(names)} CERTS={folder}"
