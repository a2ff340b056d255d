"""The API answers as its OpenAPI document says, whatever it is sent (``make contract``: longer)."""

from pathlib import Path

from common.store.db_manager import DBManager
from tests.fr_hub.web.contract import check, served

EXAMPLES = 2
"""Calls of each operation with what is drawn, besides the examples in the document."""


def test_the_api_keeps_to_its_document(store: DBManager, tmp_path: Path) -> None:
    with served(store, tmp_path) as api:
        phases = ("--phases", "examples,fuzzing,stateful")
        code, text = check(api, tmp_path, EXAMPLES, 1, *phases)
    assert code == 0, text[-20_000:]
    assert "Tested: 7" in text
