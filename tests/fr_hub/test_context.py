"""What the settings make of a hub."""

from fr_hub.context import memory_budget
from tests.running import free_port, hub_settings


def test_the_memory_of_the_settings_is_shared_by_the_known_fr_pacs() -> None:
    known = {name: ("127.0.0.1", free_port()) for name in ("pacs-1", "pacs-2")}
    budget = memory_budget(hub_settings(hub_memory_mib=64, hub_pacs=known))
    assert budget.free == 64 * 2**20
    assert budget.share("pacs-1") == budget.share("pacs-2") == 16 * 2**20
    assert budget.share("stranger") == 0
