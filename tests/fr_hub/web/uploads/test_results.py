"""What became of each file, told to the user who sent it."""

from common.scan_files.accounts import Origin
from common.scan_files.skipped_files import SkippedFile
from fr_hub.web.uploads.results import FileResult, Results


def test_each_file_has_one_result_under_the_name_that_its_user_gave_it() -> None:
    names = {"a.nii": "A/a.nii", "z.zip": "C:\\z.zip", "b.dcm": "b.dcm", "c.txt": "c.txt"}
    results = Results({**names, "d": "d"})
    results.stored([Origin("a.nii")], "1@web", known=True)
    results.stored([Origin("a.nii", "volume 2")], "2@web", known=False)
    results.refused([Origin("a.nii", "volume 3")], "too large")
    results.stored([Origin("z.zip/in/x.nii")], "2@web", known=True)
    results.refused([Origin("b.dcm"), Origin("d")], "damaged")
    results.skipped(SkippedFile("c.txt", ".", "text", (Origin("c.txt"),)))
    assert results.of_all() == [
        FileResult("A/a.nii", "stored", None, "too large", ("2@web", "1@web")),
        FileResult("C:\\z.zip", "skipped", "archive", "an archive: see its members", ()),
        FileResult("b.dcm", "refused", None, "damaged", ()),
        FileResult("c.txt", "skipped", "text", "text file", ()),
        FileResult("d", "refused", None, "damaged", ()),
        FileResult("C:\\z.zip/in/x.nii", "known", None, None, ("2@web",)),
    ]


def test_a_volume_that_is_not_analysed_by_default_says_how_to_have_it() -> None:
    results = Results({"a": "a"})
    results.skipped(SkippedFile("a", ".", "localizer", (Origin("a"),), "excluded by VOLUMES"))
    [result] = results.of_all()
    assert (result.outcome, result.kind) == ("skipped", "localizer")
    assert result.reason is not None
    assert "volumes=all" in result.reason
