"""Lists the chains of an earlier release's audit trail whose last entry no anchor names."""

from collections.abc import Iterator, Sequence

from pymongo.errors import BulkWriteError

from common.domain.audit_chain import place, whole_seq
from common.domain.types import WHOLE_BELOW, Document
from common.store.collections import Collection
from common.store.connection import duplicates
from common.store.damage import UNDECODABLE, find
from common.store.migrations.step import Step, Work
from common.store.paging import aggregate, stream

CHAINS_PER_PAGE = 5000


def unlisted_chains(work: Work) -> Iterator[list[str]]:
    """The writers of the chains to list, in pages."""
    after = ""
    while page := _page(work, after):
        named = _named(work, [place(writer, seq) for writer, seq in page.items()])
        chains = work.database[Collection.AUDIT_OPEN]
        listed = find(chains, {"_id": {"$in": list(page)}}, {"_id": 1})
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
    read = [d["_id"]["writer"] for d in aggregate(audit, begun) if UNDECODABLE not in d]
    writers = [writer for writer in read if isinstance(writer, str)]
    last: list[Document] = [
        {"$match": {"_id.writer": {"$in": writers}, "_id.seq": {"$gte": 0, "$lt": WHOLE_BELOW}}},
        {"$sort": {"_id.writer": 1, "_id.seq": -1}},
        {"$group": {"_id": "$_id.writer", "seq": {"$first": "$_id.seq"}}},
    ]
    found = aggregate(audit, last) if writers else []
    return {line["_id"]: whole_seq(line["seq"]) for line in found if isinstance(line["_id"], str)}


def _named(work: Work, places: Sequence[str]) -> set[str]:
    wanted = {"heads.at": {"$in": list(places)}}
    found = stream(work.database[Collection.AUDIT], wanted, {"heads.at": 1})
    lines = (line for entry in found if isinstance(entry["heads"], list) for line in entry["heads"])
    return {str(line.get("at")) for line in lines if isinstance(line, dict)}


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
