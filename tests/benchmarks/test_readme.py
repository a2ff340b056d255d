"""The README shows missed goals and missing peers of a run."""

from typing import Any

from tests.benchmarks.readme import README, readme_text
from tests.markdown import part


def _goal(what: str, values: list[float], **changed: Any) -> dict[str, Any]:
    median = sorted(values)[len(values) // 2] if values else None
    goal = {"what": what, "least": 2.0, "aim": 3.0, "below": False}
    return {**goal, "values": values, "median": median, **changed}


def test_goals_and_figures() -> None:
    """Each goal with its verdict, each figure with its spread, each missing peer by name."""
    part = {
        "title": "Small",
        "steal": 0.05,
        "missing": {"Celery": "no redis-server"},
        "subjects": {"Fr": {"scans/s": [900.0, 1000.0, 1100.0]}, "idle": {"MiB": [64.0]}},
        "goals": [
            _goal("over it", [1.0, 2.5, 9.0]),
            _goal("of it", [1.5]),
            _goal("beside it", []),
            _goal("memory", [2.5], least=3.0, aim=2.0, below=True),
        ],
    }
    about = {name: name for name in ("processor", "memory", "system", "python")}
    text = readme_text({"machine": {**about, "cores": "2"}, "parts": {"small": part}})
    assert "| over it | 2.5 (1 to 9) | 2 | 3 | met |" in text
    assert "| of it | 1.5 | 2 | 3 | missed |" in text
    assert "| beside it | not measured | 2 | 3 | |" in text
    assert "| memory | 2.5 | ≤ 3 | ≤ 2 | met |" in text
    assert "| Small (steal 5%) | scans/s | MiB |" in text
    assert "| Fr | 1,000 (900 to 1,100) |  |" in text
    assert "| idle |  | 64 |" in text
    assert "| Celery | missing: no redis-server | |" in text


def test_the_readme_has_a_run_of_this_form() -> None:
    there = part(README.read_text(), "run").splitlines()
    assert "| ratio | median | at least | aim | |" in there
    assert any("medians (lowest to highest)" in line for line in there)
