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
        log.warning("what an acknowledgement is worth is not known", reason=str(error))
        return
    log.info("an acknowledged scan is", where=about.kind, worth=about.worth)
    for warning in about.warnings:
        log.warning("MongoDB", surprise=warning)
