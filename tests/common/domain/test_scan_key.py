"""Keys of scans: an id and its Fr-PACS."""

import pytest

from common.domain.scan_key import pacs_of, scan_id_of, scan_key


def test_a_key_holds_the_id_and_the_pacs() -> None:
    key = scan_key("scan-1", "pacs-1")
    assert (key, scan_id_of(key), pacs_of(key)) == ("scan-1@pacs-1", "scan-1", "pacs-1")


@pytest.mark.parametrize("name", ["scan-1", "a.b_c-9"])
def test_an_id_alone_names_no_pacs(name: str) -> None:
    assert (scan_id_of(name), pacs_of(name)) == (name, None)
