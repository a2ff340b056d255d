"""What the documents name exists: links, make targets, settings; and the README stays short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.domain.report import NOTICE
from common.settings.reference import settings
from tests.imports import files

pytestmark = pytest.mark.sample(1000)  # all

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("common", "fr_pacs", "fr_hub", "fr_brain", "tests", ".github")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for name in FOLDERS for path in files(name, "*.md"))]
)
MAKEFILE = (ROOT / "Makefile").read_text()
README_LINES = 250

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def links(text: str) -> Iterator[tuple[str, str]]:
    """The relative links of a document: path (empty: the same document) and anchor."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(text: str) -> set[str]:
    """Those that a document's headings get."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(text: str) -> Iterator[str]:
    """Lines of code without their comments: of blocks, and inside of lines."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for block in blocks:
        yield from (line.partition(" #")[0] for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))


def targets_named(text: str) -> set[str]:
    """The make targets that a document names."""
    return {name for line in code(text) for name in re.findall(r"\bmake (\.?[a-z][\w/-]*)", line)}


def targets() -> set[str]:
    """Those that the Makefile has."""
    names = re.findall(r"^([$\w(][^:=\s]*):(?!=)", MAKEFILE, re.MULTILINE)
    return {name.replace("$(VENV)", ".venv") for name in names}


def test_the_readme_is_short_and_says_what_fr_is_not() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= README_LINES
    assert NOTICE in readme.replace("\n> ", " ")


def test_the_picture_in_the_readme_is_small() -> None:
    assert (ROOT / ".github/report.png").stat().st_size <= 300_000


@every_document
def test_each_link_leads_somewhere(document: Path) -> None:
    for path, anchor in links(document.read_text()):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


@every_document
def test_each_make_target_exists(document: Path) -> None:
    assert targets_named(document.read_text()) <= targets()


@every_document
def test_each_setting_exists(document: Path) -> None:
    """A name in capitals with an underscore is a setting, or occurs in the code."""
    named = {
        name
        for line in code(document.read_text())
        for name in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", line)
    }
    unknown = named - {name for name, *_ in settings()}
    assert {name for name in unknown if name not in SOURCES} == set()


SOURCES = "\n".join(
    path.read_text() for name in FOLDERS[:-1] for path in files(name, "*.py")
) + "\n".join((ROOT / name).read_text() for name in ("Makefile", ".ci/run"))


def test_what_is_named_is_found() -> None:
    text = (
        "`make all X=1`\n```sh\nA_B=1 make .venv/ready-dev # make it so\n```\n[a](b.md#c) [d](#e)"
    )
    assert targets_named(text) == {"all", ".venv/ready-dev"}
    assert list(links(text)) == [("b.md", "c"), ("", "e")]
    assert anchors("# Who, what?\n## a `b`\n") == {"who-what", "a-b"}
    assert {"all", "fr_hub", ".venv/ready-dev"} <= targets()
