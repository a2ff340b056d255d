"""Reads the scans that a Fr-PACS' ledger says were acknowledged."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from common.domain.scan_key import scan_key
from common.errors import SettingsError


def acknowledged_in(path: Path) -> Iterator[tuple[str, datetime]]:
    """Each acknowledged scan of a ledger, with the time: by its key, or by its id alone where an
    earlier release wrote the line. A last line without an end was not written whole.

    Raises:
        SettingsError: the file cannot be read, or is not a ledger.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    return
                entry: dict[str, Any] = json.loads(line)
                if entry["event"] == "acknowledged":
                    pacs, at = entry.get("pacs"), datetime.fromisoformat(entry["at"])
                    yield scan_key(entry["scan_id"], pacs) if pacs else entry["scan_id"], at
    except OSError as error:
        raise SettingsError(f"LEDGER={str(path)!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"LEDGER={str(path)!r}: not a ledger of Fr-PACS") from error
