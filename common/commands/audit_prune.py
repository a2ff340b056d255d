"""Removes archived entries from the audit trail: ``fr audit-prune``. ``APPLY=1`` removes them."""

import sys

from common.audit.archive import Archive
from common.audit.pruning import Pruning
from common.commands.audit_export import read_key
from common.domain.audit_checkpoint import public_hex
from common.errors import ArchiveDamaged
from common.runtime.console import write_text
from common.runtime.entry_point import run_command
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.commands import AuditPruneSettings
from common.settings.loading import load_settings
from common.store.opening import open_existing_store


def main() -> int:
    """Remove the entries of the archive that the settings name, or list them."""
    settings = load_settings(AuditPruneSettings, "fr audit-prune")
    archive = Archive(settings.archive, "FILE")
    found = archive.checkpoint
    if found.public_key != public_hex(read_key(settings.audit_key_file)):
        raise ArchiveDamaged(f"{archive}: it is not signed with the key in AUDIT_KEY_FILE")
    with open_existing_store(settings) as store:
        pruning = Pruning(store, archive, command_log())
        what = f"{found.entries:,} entries of {found.chains:,} chains"
        if settings.apply:
            removed = pruning.apply()
            write_text(
                f"{what}: {removed:,} removed. Keep {settings.archive}: no other copy is left\n"
            )
        else:
            write_text(
                f"{what}, from {found.first} to {found.last}, to remove (APPLY=1 removes them)\n"
            )
    return Exit.OK


if __name__ == "__main__":
    sys.exit(run_command("fr audit-prune", main))
