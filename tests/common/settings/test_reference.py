"""The documents that list the settings are current; run ``make settings`` if not."""

from pathlib import Path

from common.settings.reference import as_env, as_tables, names_for, with_tables

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_of_an_env_file_lists_every_setting() -> None:
    assert (ROOT / ".env.example").read_text() == as_env()


def test_the_readme_lists_every_setting() -> None:
    readme = (ROOT / "common/settings/README.md").read_text()
    assert with_tables(readme) == readme


def test_the_settings_of_a_command_of_fr_are_known() -> None:
    assert {"SCAN", "KEEP"} <= names_for("audit")
    assert "SCANS" not in names_for("audit")
    assert {"SCANS", "HUB_PORT", "WEB"} <= names_for("all")
    assert names_for("schema") == set()


def test_each_setting_is_in_one_table() -> None:
    tables = as_tables()
    for row in ("| `LOG_LEVEL` |", "| `HUB_HOST` |", "| `BRAIN_LEASE_S` |", "| `KEEP` |"):
        assert tables.count(row) == 1
    assert "| `USER_ROLES` | users | none |" in tables
    assert (
        "| `DAYS` | audit-export, certs | `365 (audit-export), 825 (certs)` | (audit-export)"
        in (tables)
    )
    assert tables.index("### Database") < tables.index("| `MONGODB_URI` |")
    assert tables.index("### Commands") < tables.index("| `NAMES` |")
