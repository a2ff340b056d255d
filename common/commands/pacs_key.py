"""Prints the key of a Fr-PACS: ``fr pacs-key``, ``make pacs-key``.

Fr-HUB derives this key itself, from its secret and the name of the Fr-PACS. The Fr-PACS gets it as
PACS_KEY, or in the file that PACS_KEY_FILE names. Where no secret is set, it is the one in
DATA_DIR, which the first unit makes there; this command makes none.
"""

import sys

from common.domain.pacs_key import HubSecret
from common.runtime.console import write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.settings.commands import PacsKeySettings
from common.settings.loading import load_settings
from common.settings.local_secret import existing_secret


def main() -> int:
    """Print the key, 64 hexadecimal digits."""
    settings = load_settings(PacsKeySettings, "fr pacs-key")
    keys = settings.given_keys() or HubSecret(existing_secret(settings.data_dir).encode())
    write_text(keys.key_of(settings.pacs_name).hex())
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_unit("fr pacs-key", main))
