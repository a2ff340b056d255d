"""Erases scans on request: ``fr erase``. Lists what it would erase; ``APPLY=1`` erases it.

Everything of the scans goes, in any state: voxels, report, history, pictures and label maps. What
was delivered to a Fr-PACS stays there. It is safe beside running units, and completes erasures that
were interrupted.
"""

import sys

from common.audit.recorded_command import recorded_command
from common.commands.labels import WHERE_PSEUDONYMS_ARE
from common.errors import SettingsError
from common.runtime.console import write_text
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit
from common.runtime.logger import command_log
from common.settings.commands import EraseSettings
from common.settings.loading import load_settings
from common.store.db_manager import DBManager
from common.store.opening import open_existing_store

_PAGE = 500


def chosen(store: DBManager, settings: EraseSettings) -> tuple[list[str], list[str], list[str]]:
    """The keys of the scans that the settings name, the names of those that are not stored, and the
    keys of damaged ones: they may be of the subject, too.

    Raises:
        SettingsError: several Fr-PACS sent a scan of a given id.
    """
    if settings.subject is not None:
        damaged: list[str] = []
        return list(store.erasure.of_subject(settings.subject, damaged.append)), [], damaged
    keys = store.queries.keys_of(settings.ids)
    return list(keys.values()), [name for name in settings.ids if name not in keys], []


def main() -> int:
    """Erase, or list, the scans that the settings name."""
    settings = load_settings(EraseSettings, "fr erase")
    if bool(settings.ids) == (settings.subject is not None):
        raise SettingsError("give either ID=<scan>,… or SUBJECT=<pseudonym>")
    with open_existing_store(settings) as store:
        keys, unknown, damaged = chosen(store, settings)
        erased = _erased(store, keys)
        resumed = 0
        if settings.apply:
            with recorded_command(
                store, "erase", command_log(), settings.mongodb_timeout_s
            ) as recorded:
                if resumed := recorded.erasure.resume():
                    _print(f"{resumed} interrupted erasures completed")
                count = recorded.erasure.erase(keys)
        else:
            count = _list(store, keys)
    for name in unknown:
        _print(f"{name!r}: no such scan")
    for key in erased:
        _print(f"{key}: already erased")
    for key in damaged:
        _print(f"{key}: its header is damaged, so it may be the subject's: erase it by its ID")
    nobody = settings.subject is not None and not keys and not resumed
    if nobody:
        _print(f"no scan of this subject is stored: {WHERE_PSEUDONYMS_ARE}")
    scans = "1 scan" if count == 1 else f"{count:,} scans"
    them = "it" if count == 1 else "them"
    done = "erased" if settings.apply else f"to erase (APPLY=1 erases {them})"
    _print(f"{scans} {done}")
    return Exit.FAILED if unknown or damaged or nobody else Exit.OK


def _erased(store: DBManager, keys: list[str]) -> list[str]:
    left: set[str] = set()
    for start in range(0, len(keys), _PAGE):
        left |= {scan.key for scan in store.erasure.erasable(keys[start : start + _PAGE])}
    return [key for key in keys if key not in left]


def _list(store: DBManager, keys: list[str]) -> int:
    count = 0
    for start in range(0, len(keys), _PAGE):
        for scan in store.erasure.erasable(keys[start : start + _PAGE]):
            _print(f"{scan.key}: {scan.state}")
            count += 1
    return count


def _print(line: str) -> None:
    write_text(f"{line}\n")


if __name__ == "__main__":
    sys.exit(run_unit("fr erase", main))
