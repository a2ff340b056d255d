"""Lists the chains of an earlier release's audit trail whose last entry no anchor names."""

from collections.abc import Iterator, Sequence

from pymongo.errors import BulkWriteError

from common.domain.audit_chain import place
from common.domain.types import Document
from common.store.collections import Collection
from common.store.connection import duplicates
from common.store.migrations.step import Step, Work

CHAINS_PER_PAGE = 5000


def unlisted_chains(work: Work) -> Iterator[list[str]]:
    """The writers of the chains to list, in pages."""
    after = ""
    while page := _page(work, after):
        named = _named(work, [place(writer, seq) for writer, seq in page.items()])
        listed = work.database[Collection.AUDIT_OPEN].find({"_id": {"$in": list(page)}}, {"_id": 1})
        known = {found["_id"] for found in listed}
        yield [w for w, seq in page.items() if w not in known and place(w, seq) not in named]
        after = max(page)


def _page(work: Work, after: str) -> dict[str, int]:
    """The last ``seq`` of each of the next chains, by writer. Reads two index keys of each chain,
    however many entries it has."""
    audit = work.database[Collection.AUDIT]
    begun: list[Document] = [
        {"$match": {"_id.writer": {"$gt": after, "$type": "string"}, "_id.seq": 0}},
        {"$sort": {"_id.writer": 1}},
        {"$limit": CHAINS_PER_PAGE},
        {"$project": {"_id.writer": 1}},
    ]
    writers = [line["_id"]["writer"] for line in audit.aggregate(begun)]
    last: list[Document] = [
        {"$match": {"_id.writer": {"$in": writers}, "_id.seq": {"$gte": 0}}},
        {"$sort": {"_id.writer": 1, "_id.seq": -1}},
        {"$group": {"_id": "$_id.writer", "seq": {"$first": "$_id.seq"}}},
    ]
    return {line["_id"]: int(line["seq"]) for line in audit.aggregate(last)} if writers else {}


def _named(work: Work, places: Sequence[str]) -> set[str]:
    wanted = {"heads.at": {"$in": list(places)}}
    found = work.database[Collection.AUDIT].find(wanted, {"heads.at": 1})
    return {line["at"] for entry in found for line in entry["heads"]}


def _list(work: Work) -> None:
    done = 0
    for writers in unlisted_chains(work):
        if writers:
            try:
                work.database[Collection.AUDIT_OPEN].insert_many(
                    [{"_id": writer, "announced_at": None} for writer in writers], ordered=False
                )
            except BulkWriteError as error:
                duplicates(error)  # another migration listed them
        done += len(writers)
        work.went_on(OPEN_CHAINS.name, done, done)


OPEN_CHAINS = Step(
    "audit chains",
    "list the chains of the audit trail whose end no other chain names yet",
    lambda work: sum(map(len, unlisted_chains(work))),
    _list,
)
