"""Files are made while they are sent: in pieces, ranges and compressed."""

import gzip
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import Response

from common.errors import VoxelsDamaged
from fr_hub.web.nifti_files import NiftiFile, part_of, serve, serve_compressed
from fr_hub.web.problems import handle_problems

VOXELS = bytes(range(200))
WHOLE = b"header" + VOXELS


def read(start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, 7):
        yield VOXELS[at : min(at + 7, end)]


def damaged(*_: int) -> Iterator[bytes]:
    raise VoxelsDamaged("a chunk is missing")
    yield b""


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    handle_problems(app)
    files = {
        "good": NiftiFile("scan", '"a"', b"header", len(VOXELS), read),
        "bad": NiftiFile("scan", '"b"', b"header", len(VOXELS), damaged),
    }

    @app.get("/{name}.nii")
    def plain(name: str, request: Request) -> Response:
        return serve(request, files[name])

    @app.get("/{name}.nii.gz")
    def compressed(name: str, request: Request) -> Response:
        return serve_compressed(request, files[name])

    return TestClient(app)


@pytest.mark.parametrize(("start", "end"), [(0, 3), (2, 9), (6, 7), (30, 206), (205, 206)])
def test_a_range_is_that_part_of_the_file(client: TestClient, start: int, end: int) -> None:
    answer = client.get("/good.nii", headers={"Range": f"bytes={start}-{end - 1}"})
    assert (answer.status_code, answer.content) == (206, WHOLE[start:end])


def test_a_whole_file_and_a_compressed_one(client: TestClient) -> None:
    answer = client.get("/good.nii")
    assert (answer.content, answer.headers["content-length"]) == (WHOLE, "206")
    packed = client.get("/good.nii.gz")
    assert gzip.decompress(packed.content) == WHOLE
    assert packed.headers["etag"] == '"a-gz"'
    for path, etag in (("/good.nii", '"a"'), ("/good.nii.gz", '"a-gz"')):
        assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_damage_that_is_found_at_the_start_is_a_problem(client: TestClient) -> None:
    for path in ("/bad.nii", "/bad.nii.gz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (500, "voxels_damaged")


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 4), (4, 12), (11, 12), (12, 12)])
def test_a_part_of_pieces(start: int, end: int) -> None:
    pieces = [b"abc", b"", b"defgh", b"ijkl"]
    assert b"".join(part_of(pieces, start, end)) == b"abcdefghijkl"[start:end]
