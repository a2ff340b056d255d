"""``python -m fr_hub.web``: settings, objects, run, exit code."""

import asyncio
import contextlib
import sys

from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.runtime.console import unit_console
from common.runtime.entry_point import run_unit
from common.runtime.lifecycle import Exit, Lifecycle
from common.runtime.logger import configure, get_log
from common.settings.loading import load_settings
from common.settings.web import WebSettings
from common.store.opening import open_store, wait_for_store
from common.store.presence import present
from common.store.unit_parts import web_parts
from fr_hub.web.app import make_app
from fr_hub.web.context import WebContext
from fr_hub.web.credentials import admin_token
from fr_hub.web.first_start import address_of, first_address
from fr_hub.web.serving import check_certificate, serve
from fr_hub.web.trail_check import TrailCheck
from fr_hub.web.uploads.delivery import delivering


def main() -> int:
    """Serve the API and the page until stopped."""
    settings = load_settings(WebSettings, "fr web")
    lifecycle = Lifecycle(settings.lifeline_fd)
    configure(settings.log_level, settings.log_format, "fr-web")
    log = get_log()
    with open_store(settings) as store:
        if not wait_for_store(store, lifecycle.stop, log):
            return Exit.OK
        audit = AuditWriter(store.audit_log, "fr-web", log, durable_s=settings.mongodb_timeout_s)
        with contextlib.closing(audit):
            context = WebContext(
                settings=settings,
                store=web_parts(store.recorded_by(audit)),
                audit=audit,
                log=log,
                tenants=settings.tenants,
                check_schema=store.check_schema,
                trail_check=TrailCheck(lambda: AuditVerifier(store).run(), log),
            )
            first = first_address(settings, store.users)
            admin_token(context)
            check_certificate(settings)
            tenants = settings.tenants.values()
            sources = [one.uploads for tenant in tenants for one in (tenant, tenant.of_accounts())]
            with (
                present(store.units, store.connection.feed, "fr-web"),
                delivering(context.store, sources, log),
            ):
                asyncio.run(
                    serve(
                        make_app(context),
                        settings,
                        lifecycle,
                        lambda: _tell_address(settings, first),
                    )
                )
    return Exit.OK


def _tell_address(settings: WebSettings, first: str | None) -> None:
    """Print the one address to open: that of the first sign-in while there is one."""
    log, console = get_log(), unit_console()
    address = first or address_of(settings)
    log.info("serving the API and its page", port=settings.web_port)
    if settings.log_format == "json" and first is None:
        return
    once = "it works once, for one day" if first else "sign in there"
    console.print(f"Open this address ({once}):", soft_wrap=True)
    console.print(f"    {address}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(run_unit("fr web", main))
