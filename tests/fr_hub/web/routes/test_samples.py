"""Samples of signals: pieces at a resolution, for scans and for ECGs of an account."""

import numpy as np
import numpy.typing as npt

from common.domain.user import Role
from common.store.db_manager import DBManager
from common.store.documents import NewScan
from fr_hub.web.routes.ecgs import ADDRESS, SEED_ECG
from tests.factories import edit, make_ecg, make_scan
from tests.fr_hub.web.conftest import ClientOf

SCANS = "/api/v1/scans"
SAMPLES = np.random.default_rng(1).normal(size=(3000, 2)).astype(np.float32)


def floats(content: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(content, "<f4")


def test_a_signal_comes_whole_in_pieces_and_coarser(store: DBManager, client_of: ClientOf) -> None:
    scan, data = make_ecg(SAMPLES)
    store.scans.add([NewScan(scan, data)])
    reader, url = client_of(Role.READER), f"{SCANS}/{scan.key}/samples"
    whole = reader.get(url)
    assert (whole.status_code, whole.headers["x-columns"]) == (200, "3000")
    assert np.array_equal(floats(whole.content).reshape(2, 3000), SAMPLES.T)
    piece = reader.get(url, params={"first": 2990, "columns": 100})
    assert np.array_equal(floats(piece.content).reshape(2, 10), SAMPLES[2990:].T)
    coarse = floats(reader.get(url, params={"step": 16}).content).reshape(2, 188, 2)
    assert np.array_equal(coarse[1, 3], [SAMPLES[48:64, 1].min(), SAMPLES[48:64, 1].max()])
    beyond = reader.get(url, params={"first": 10_000})
    assert (beyond.status_code, beyond.content) == (200, b"")
    etag = {"If-None-Match": whole.headers["etag"]}
    assert reader.get(url, headers=etag).status_code == 304


def test_what_has_no_samples_says_so(store: DBManager, client_of: ClientOf) -> None:
    reader = client_of(Role.READER)
    image, voxels = make_scan()
    ecg, data = make_ecg(SAMPLES)
    store.scans.add([NewScan(image, voxels), NewScan(ecg, data)])
    answer = reader.get(f"{SCANS}/{image.key}/samples")
    assert (answer.status_code, answer.json()["code"]) == (422, "no_signal")
    assert reader.get(f"{SCANS}/{ecg.key}/samples", params={"step": 3}).status_code == 422
    assert reader.get(f"{SCANS}/absent@mr-9/samples").status_code == 404
    edit(store, ecg.key, voxels=data[:100])
    damaged = reader.get(f"{SCANS}/{ecg.key}/samples")
    assert (damaged.status_code, damaged.json()["code"]) == (500, "voxels_damaged")


def test_the_samples_of_an_account_are_its_users(client_of: ClientOf) -> None:
    jane = client_of(Role.SUBMITTER)
    address = f"{ADDRESS}/{jane.post(ADDRESS, json=SEED_ECG).json()['id']}/samples"
    assert floats(jane.get(address).content).tolist() == [1, 0, -1, 0, 1, 0, 0, 1]
    assert client_of(Role.SUBMITTER).get(address).status_code == 404
