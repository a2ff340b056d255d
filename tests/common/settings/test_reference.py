"""The documents that list the settings say what the code says."""

from pathlib import Path

from common.settings.reference import as_env, as_table

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_of_an_env_file_lists_every_setting() -> None:
    """Else: python -m common.settings.reference env > .env.example"""
    assert (ROOT / ".env.example").read_text() == as_env()


def test_the_readme_lists_every_setting() -> None:
    """Else: put what python -m common.settings.reference table prints into the README."""
    assert as_table() in (ROOT / "README.md").read_text()
