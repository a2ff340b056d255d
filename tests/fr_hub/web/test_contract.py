"""The API answers as its OpenAPI document says, whatever it is sent (``make contract``: longer)."""

import re
from pathlib import Path

from common.store.db_manager import DBManager
from tests.fr_hub.web.contract import check, served

EXAMPLES = 2
"""Calls of each operation with what is drawn, besides the examples in the document."""

MOST = 70
"""Nearly all operations of the document: the others need what nobody has planted."""


def test_the_api_keeps_to_its_document(store: DBManager, tmp_path: Path) -> None:
    with served(store, tmp_path) as api:
        phases = ("--phases", "examples,fuzzing,stateful")
        code, text = check(api, tmp_path, EXAMPLES, 1, *phases)
    assert code == 0, text[-20_000:]
    tested = re.search(r"Tested: (\d+)", text)
    assert tested is not None, text[-20_000:]
    assert int(tested[1]) >= MOST
