"""Logs, at startup, how durable an acknowledged scan is on the MongoDB in use."""

from common.errors import StoreError
from common.runtime.logger import Log
from common.store.server_status import Server


def log_durability(server: Server, log: Log) -> None:
    """Log the durability of an acknowledgement, and a warning for each weakness of the deployment.

    A MongoDB that has just become unavailable does not keep Fr-HUB from starting.
    """
    try:
        status = server.status()
    except StoreError as error:
        log.warning("acknowledgement durability is unknown", reason=str(error))
        return
    log.info("acknowledgement durability", server=status.kind, durability=status.durability)
    for warning in status.warnings:
        log.warning("MongoDB's setup weakens durability", problem=warning)
