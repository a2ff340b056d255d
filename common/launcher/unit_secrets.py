"""The secrets for ``fr all``: each unit gets only those that it needs."""

from common.domain.pacs_key import HubSecret
from common.settings.launch import LaunchSettings
from common.settings.local_secret import local_secret

_NONE = {"SHARED_SECRET": "", "SHARED_SECRET_FILE": "", "PACS_KEY": "", "PACS_KEY_FILE": ""}
_OTHERS = {"fr-brain": _NONE, "fr-web": _NONE}
"""Those that know the store alone."""

_NO_STORE = {"MONGODB_URI": "", "MONGODB_URI_FILE": ""}


def own_secrets(settings: LaunchSettings) -> dict[str, dict[str, str]]:
    """The settings of each unit that are secret.

    Fr-HUB gets the secret, SHARED_SECRET or else that in DATA_DIR, and Fr-PACS the key that is
    derived from it. With TLS, they get these only if SHARED_SECRET is set.

    Raises:
        SettingsError: the secret in DATA_DIR cannot be made or read.
    """
    given = settings.shared_secret
    if given is not None:
        secret = given.get_secret_value()
    elif settings.tls_cert is None:
        secret = local_secret(settings.data_dir)
    else:
        return {**_OTHERS, "fr-hub": _NONE, "fr-pacs": {**_NONE, **_NO_STORE}}
    key = HubSecret(secret.encode()).key_of(settings.pacs_name).hex()
    return {
        **_OTHERS,
        "fr-hub": {**_NONE, "SHARED_SECRET": secret},
        "fr-pacs": {**_NONE, **_NO_STORE, "PACS_KEY": key},
    }
