"""The certificates for ``fr all``: each unit needs one with its own name."""

from pathlib import Path

from common.domain.types import HUB_NAME
from common.errors import SettingsError
from common.settings.launch import LaunchSettings


def own_certificates(settings: LaunchSettings) -> dict[str, dict[str, str]]:
    """TLS_CERT and TLS_KEY of Fr-HUB and of Fr-PACS; empty without TLS.

    They are the files next to TLS_CERT and TLS_KEY that have the unit's name, as ``make certs``
    writes them.

    Raises:
        SettingsError: a file is missing.
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
                    f"{setting}: {name} needs its own certificate, and {str(path)!r} does not "
                    f"exist: run {_certs_command(settings.tls_cert.parent, *names.values())}"
                )
        found[unit] = {setting: str(path) for setting, path in files.items()}
    return found


def _certs_command(folder: Path, *names: str) -> str:
    return f"make certs NAMES={','.join(names)} CERTS={folder}"
