"""What describes an upload."""

import pytest
from pydantic import ValidationError

from fr_hub.web.uploads.messages import UploadRequest, outcome_of
from fr_hub.web.uploads.results import FileResult


def test_an_upload_is_of_one_file_or_of_several() -> None:
    assert UploadRequest(name="a", size=3).declared() == [("a", 3)]
    assert UploadRequest(size=3).declared() == [("", 3)]
    several = UploadRequest.model_validate({"files": [{"name": "a", "size": 1}] * 2})
    assert several.declared() == [("a", 1), ("a", 1)]
    wrongs: tuple[dict[str, object], ...] = (
        {},
        {"size": True},
        {"size": 1, "files": []},
        {"name": "a", "files": [{"name": "a", "size": 1}]},
        {"files": [{"name": "a", "size": False}]},
    )
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            UploadRequest.model_validate(wrong)


def test_a_result_is_told_as_it_is() -> None:
    told = outcome_of(FileResult("a", "skipped", "text", "text file", ()))
    assert told.model_dump() == {
        "name": "a",
        "outcome": "skipped",
        "kind": "text",
        "reason": "text file",
        "scans": [],
    }
