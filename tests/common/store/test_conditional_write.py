"""One command that changes a document, or creates it, if a condition holds."""

from concurrent.futures import ThreadPoolExecutor

from common.store.conditional_write import set_if
from common.store.db_manager import DBManager

IS_NEW = {"$eq": [{"$type": "$by"}, "missing"]}


def test_a_document_is_created_or_changed_only_if_the_condition_holds(store: DBManager) -> None:
    requests = store.connection.requests
    fields = {"by": {"$literal": "$a"}, "n": {"$add": [1, 1]}}
    assert set_if(requests, "x", IS_NEW, fields) == {"_id": "x", "by": "$a", "n": 2}
    same = set_if(requests, "x", IS_NEW, {"by": {"$literal": "b"}})
    assert same == {"_id": "x", "by": "$a", "n": 2}


def test_one_of_many_gets_it(store: DBManager) -> None:
    requests = store.connection.requests

    def take(runner: str) -> bool:
        found = set_if(requests, "x", IS_NEW, {"by": {"$literal": runner}})
        return found is not None and found["by"] == runner

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, [f"runner {number}" for number in range(24)]))
    assert taken.count(True) == 1
