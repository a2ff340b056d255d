"""The documentation's page: of our own files, under a strict policy."""

import re

import pytest
from fastapi.testclient import TestClient

from fr_hub.web.routes.docs import FORMER, PAGE, POLICY

FILES = {
    PAGE: "text/html; charset=utf-8",
    f"{PAGE}/docs.js": "text/javascript; charset=utf-8",
    f"{PAGE}/docs.css": "text/css; charset=utf-8",
    f"{PAGE}/analyzers/volume": "text/html; charset=utf-8",
    f"{PAGE}/analyzers/ecg": "text/html; charset=utf-8",
}


@pytest.mark.parametrize("path", FILES)
def test_each_file_has_its_type_and_the_policy(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FILES[path]
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


def test_nothing_is_loaded_from_another_host_or_inline(stranger: TestClient) -> None:
    page = stranger.get(PAGE).text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    for address in loaded:
        assert address.startswith("/")
        assert stranger.get(address).status_code == 200
    assert not re.search(r"<style|style=|<script>|\son\w+=", page)
    script = stranger.get(f"{PAGE}/docs.js").text
    assert not re.search(
        r"https?:|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script
    )


@pytest.mark.parametrize("path", FORMER)
def test_known_addresses_lead_to_it(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path, follow_redirects=False)
    assert answer.headers["location"] == PAGE
    assert stranger.get(path).text == stranger.get(PAGE).text


@pytest.mark.parametrize("name", ["other", "..%2f..%2fREADME.md", "v" * 65])
def test_there_is_no_page_about_other_analyzers(stranger: TestClient, name: str) -> None:
    assert stranger.get(f"{PAGE}/analyzers/{name}").status_code in (404, 422)
