"""The built page is served as it is: no other file, each with its type, policy and cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from fr_hub.web.app import make_app
from fr_hub.web.context import WebContext
from fr_hub.web.page_files import POLICY

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
DOCUMENT = "<!doctype html><title>Fr</title>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(DOCUMENT)
    (folder / "assets" / "index-a1.js").write_text("let a = 1;")
    (folder / "assets" / "index-a1.js.br").write_bytes(b"packed")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


@pytest.fixture
def page(context: WebContext, folder: Path) -> Iterator[TestClient]:
    with TestClient(make_app(context, folder)) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/users", "/scans/scan-1@mr-1", "/patients/7?tab=trend"])
def test_each_address_of_the_page_opens_it_without_sign_in(page: TestClient, path: str) -> None:
    answer = page.get(path, headers=HTML)
    assert answer.status_code == 200
    assert answer.text == DOCUMENT
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = page.get(path, headers={**HTML, "If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_hashed_files_are_kept_for_good_and_sent_compressed(page: TestClient) -> None:
    plain = page.get("/assets/index-a1.js", headers={"Accept-Encoding": "identity"})
    assert plain.text == "let a = 1;"
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    with page.stream("GET", "/assets/index-a1.js", headers={"Accept-Encoding": "br"}) as packed:
        assert packed.headers["Content-Encoding"] == "br"
        assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
        assert b"".join(packed.iter_raw()) == b"packed"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/absent.js",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/link.txt",
    ],
)
def test_no_other_file_is_served(page: TestClient, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "secret" not in page.get(path, headers=HTML).text


def test_an_address_of_the_api_is_never_one_of_the_page(page: TestClient) -> None:
    assert page.get("/api/v1/absent", headers=HTML).status_code == 401
    assert page.get("/v1/absent", headers=HTML).status_code == 401
    assert page.get("/api/v1/scans", headers=HTML).status_code == 401
    assert page.post("/scans", headers=HTML).status_code in (401, 404, 405)
    assert page.get("/health/ping", headers=HTML).json() is not None
    # The page has /users, too: a program that asks for it is told what it takes.
    answer = page.get("/users", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_newer_build_is_served_at_once(page: TestClient, folder: Path) -> None:
    assert page.get("/").text == DOCUMENT
    (folder / "index.html").write_text("new")
    os.utime(folder / "index.html", (1e9, 1e9))
    assert page.get("/").text == "new"


def test_without_a_build_the_address_says_what_to_do(page: TestClient, folder: Path) -> None:
    (folder / "index.html").unlink()
    answer = page.get("/")
    assert answer.status_code == 503
    assert "make page" in answer.text
    assert page.get("/health/ping").status_code == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br;q=0", None),
        ("br;q=0, gzip", "gzip"),
        ("gzip, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("br;q=x", None),
        ("", None),
    ],
)
def test_the_encoding_is_one_that_the_client_takes(
    page: TestClient, folder: Path, accepted: str, encoding: str | None
) -> None:
    (folder / "assets" / "index-a1.js.gz").write_bytes(b"zipped")
    headers = {"Accept-Encoding": accepted}
    with page.stream("GET", "/assets/index-a1.js", headers=headers) as answer:
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"
        sent = b"".join(answer.iter_raw())
    assert sent == {None: b"let a = 1;", "br": b"packed", "gzip": b"zipped"}[encoding]


def test_each_encoding_has_its_own_etag(page: TestClient) -> None:
    path, tags = "/assets/index-a1.js", {}
    for accepted in ("identity", "br"):
        with page.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
            tags[accepted] = answer.headers["ETag"]
    assert tags["identity"] != tags["br"]
    for accepted, tag in tags.items():
        for known, status in (
            (tag, 304),
            (tags["br" if tag == tags["identity"] else "identity"], 200),
        ):
            headers = {"Accept-Encoding": accepted, "If-None-Match": known}
            with page.stream("GET", path, headers=headers) as answer:
                assert answer.status_code == status
