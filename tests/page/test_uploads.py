"""Uploads: paused, resumed after the page was closed, and files that are refused."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.acts import drop, go, upload_of
from tests.page.heads import nifti


@pytest.mark.long
def test_an_upload_is_paused_and_goes_on_where_it_was_after_a_reload(
    admin: Page, tmp_path: Path
) -> None:
    noise = np.random.default_rng(4).integers(0, 255, (256, 256, 192), np.uint8)
    file = tmp_path / "large.nii"
    file.write_bytes(nifti(noise))
    go(admin, "Upload")
    held: list[Route] = []
    admin.route("**/api/v1/uploads/*", lambda route: hold_the_second_piece(route, held))
    drop(admin, admin.get_by_text("Drop files or folders here"), [file])
    card = upload_of(admin, "large.nii")
    expect(card.get_by_text("8.0 MiB of 12.0 MiB")).to_be_visible()
    admin.get_by_role("button", name="Pause large.nii").click()
    expect(card.get_by_text("Paused")).to_be_visible()
    for route in held:
        route.abort()
    admin.unroute("**/api/v1/uploads/*")
    admin.reload()
    expect(admin.get_by_text("1 upload was interrupted")).to_be_visible()
    admin.get_by_label("Files to upload").set_input_files(file)
    expect(card.get_by_text("Stored", exact=True).first).to_be_visible()
    # It began behind the first piece: the second one alone was sent.
    expect(card.get_by_text("Waiting")).to_be_visible()
    expect(
        card.get_by_role("list", name="Scans of this upload").get_by_role("link")
    ).to_be_visible()


def hold_the_second_piece(route: Route, held: list[Route]) -> None:
    """Let all requests pass but the second piece, which is never answered."""
    if route.request.headers.get("upload-offset") not in (None, "0"):
        held.append(route)
    else:
        route.continue_()


@pytest.mark.long
def test_each_file_has_its_outcome_and_a_refused_one_its_reason(
    admin: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "cut.nii").write_bytes(nifti(np.ones((20, 20, 20), np.uint8))[:4000])
    (folder / "readme.txt").write_text("what is in here\n")
    good = tmp_path / "good.nii"
    good.write_bytes(nifti(np.ones((20, 20, 20), np.uint8)))
    go(admin, "Upload")
    drop(admin, admin.get_by_text("Drop files or folders here"), [folder, good])
    cut = upload_of(admin, "mixed/cut.nii")
    expect(cut.get_by_role("listitem").filter(has_text="mixed/cut.nii")).to_contain_text("Refused")
    expect(cut.get_by_role("listitem")).to_contain_text("bytes")
    text = upload_of(admin, "mixed/readme.txt")
    expect(text.get_by_role("listitem")).to_contain_text("not a scan, but a text file")
    stored = upload_of(admin, "good.nii").get_by_role("list", name="Scans of this upload")
    key = stored.get_by_role("link").inner_text()
    go(admin, "Work list")
    expect(admin.get_by_role("link", name=key.partition("@")[0])).to_be_visible()
