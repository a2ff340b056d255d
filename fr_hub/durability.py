"""Says at the start what Fr-HUB is connected to and what its acknowledgements are worth there."""

from common.errors import StoreError
from common.runtime.logger import Log
from common.store.db_manager import DBManager


def tell_worth(store: DBManager, log: Log) -> None:
    """Log it, with a warning for each surprise. A MongoDB that has gone away again is no reason
    not to start."""
    try:
        about = store.server.status()
    except StoreError as error:
        log.warning("acknowledgement durability is unknown", reason=str(error))
        return
    log.info("acknowledgement durability", server=about.kind, durability=about.worth)
    for warning in about.warnings:
        log.warning("MongoDB is not set up for Fr", problem=warning)
