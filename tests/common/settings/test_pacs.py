"""The settings of Fr-PACS: the shape of synthetic scans, how many and how fast."""

import pytest

from common.domain.volume_roles import VOLUME_ROLES
from common.settings.loading import load_settings
from common.settings.pacs import ENDLESS_RATE, PacsSettings
from tests.common.settings.reading import error_for


@pytest.mark.parametrize(
    ("shape", "grid", "head"),
    [(None, (10, 10), (96, 96, 96)), ("12", (12, 12), (12, 12, 12))],
)
def test_one_number_is_the_length_of_each_axis(
    shape: str | None, grid: tuple[int, ...], head: tuple[int, ...]
) -> None:
    settings = load_settings(PacsSettings, "fr", ["--shape", shape] if shape else [])
    assert settings.grid_shape == grid
    assert settings.phantom_shape == head


def test_several_numbers_are_the_axes_in_their_order() -> None:
    head = load_settings(PacsSettings, "fr", ["--shape", "181X217x 160"])
    assert head.phantom_shape == (181, 217, 160)
    grid = load_settings(PacsSettings, "fr", ["--kind", "grid", "--shape", "12x20"])
    assert grid.grid_shape == (12, 20)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("96by96", "96x96x96"),
        ("96x", "96x96x96"),
        ("-5", "96x96x96"),
        ("0", "must be 1 or more"),
        ("96x96x4097", "must be 4096 or less"),
        ("9" * 5000, "limit"),
    ],
)
def test_the_error_for_a_wrong_shape_tells_what_a_shape_is(value: str, right: str) -> None:
    message = error_for(PacsSettings, f"--shape={value}")
    assert "SHAPE=" in message
    assert right in message


def test_the_shape_of_an_ecg_is_samples_and_leads() -> None:
    def shape(*options: str) -> tuple[int, int]:
        return load_settings(PacsSettings, "fr", ["--kind", "ecg", *options]).ecg_shape

    assert shape() == (5000, 12)
    assert shape("--shape", "100") == (100, 12)
    assert shape("--shape", "21600000x3") == (21_600_000, 3)
    wrong = error_for(PacsSettings, "--kind", "ecg", "--shape", "10x10x10")
    assert "SHAPE of an ECG needs 1 or 2 numbers" in wrong


@pytest.mark.parametrize(("kind", "shape"), [("phantom", "10x10"), ("grid", "10x10x10")])
def test_a_shape_of_the_other_kind_is_refused(kind: str, shape: str) -> None:
    assert f"SHAPE of a {kind}" in error_for(PacsSettings, "--kind", kind, "--shape", shape)


@pytest.mark.parametrize(
    ("options", "finite", "pace"),
    [
        ([], False, ENDLESS_RATE),
        (["--rate", "7"], False, 7),
        (["--scans", "3"], True, None),
        (["--source", "scans"], True, None),
        (["--source", "scans", "--watch", "1"], False, None),
        (["--scans", "3", "--rate", "0.5"], True, 0.5),
    ],
    ids=str,
)
def test_only_synthetic_scans_without_end_are_slowed_down(
    options: list[str], finite: bool, pace: float | None
) -> None:
    settings = load_settings(PacsSettings, "fr", options)
    assert (settings.finite, settings.pace) == (finite, pace)


def test_its_hosts_are_its_address_and_that_of_fr_hub() -> None:
    options = ["--pacs-host", "127.0.0.2", "--hub-host", "127.0.0.3"]
    assert list(load_settings(PacsSettings, "fr", options).hosts()) == [
        ("PACS_HOST", "127.0.0.2"),
        ("HUB_HOST", "127.0.0.3"),
    ]


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("threads", 0, "must be 1 or more"),
        ("threads", 257, "must be 256 or less"),
        ("buffer-mib", 0, "must be 1 or more"),
        ("patience-s", -1, "must be 0 or more"),
        ("report-patience-s", 0, "must be more than 0"),
        ("pacs-drain-s", -1, "must be 0 or more"),
        ("progress-fd", 2, "must be 3 or more"),
    ],
)
def test_a_value_beyond_its_bound_is_refused(option: str, value: int, right: str) -> None:
    message = error_for(PacsSettings, f"--{option}={value}")
    assert message.startswith(f"{option.replace('-', '_').upper()}='{value}': ")
    assert right in message


@pytest.mark.parametrize(
    ("options", "right"),
    [
        (["--watch", "1"], "WATCH watches a folder: set SOURCE to it, or unset WATCH"),
        (["--watch", "1", "--source", "in", "--scans", "3"], "WATCH runs until it is stopped"),
        (["--watch-quiet-s", "0"], "must be more than 0"),
        (["--watch-poll-s", "0.01"], "must be 0.1 or more"),
    ],
)
def test_what_watch_excludes_is_refused(options: list[str], right: str) -> None:
    assert right in error_for(PacsSettings, *options)


def test_label_maps_are_off_and_need_a_folder_for_reports() -> None:
    assert not load_settings(PacsSettings, "fr", ["--reports", "out"]).label_maps
    assert load_settings(PacsSettings, "fr", ["--reports", "out", "--label-maps", "1"]).label_maps
    assert "set REPORTS to a folder" in error_for(PacsSettings, "--label-maps", "1")


@pytest.mark.parametrize(
    "synthetic",
    [
        ("kind", "grid"),
        ("shape", "12"),
        ("contrast", "t1"),
        ("background", "empty"),
        ("seed", "7"),
    ],
)
def test_files_and_what_describes_synthetic_scans_exclude_each_other(
    synthetic: tuple[str, str],
) -> None:
    name, value = synthetic
    message = error_for(PacsSettings, "--source", "scans", f"--{name}", value)
    assert f"SOURCE sends files, not synthetic scans: unset it, or {name.upper()}" in message


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], {"anatomical", "unclassified"}),
        (["--volumes", "Diffusion, localizer"], {"diffusion", "localizer"}),
        (["--volumes", "all"], set(VOLUME_ROLES)),
    ],
)
def test_volumes_are_named_by_their_roles(given: list[str], wanted: set[str]) -> None:
    assert load_settings(PacsSettings, "fr", given).wanted_volumes == wanted


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("difusion", "(did you mean diffusion?): write all"),
        ("qqq", "is not a list of volume roles: write all, or some of"),
        (",", "is not a list of volume roles: write all, or some of"),
    ],
)
def test_volumes_of_no_role_are_refused(value: str, told: str) -> None:
    assert told in error_for(PacsSettings, "--volumes", value)
