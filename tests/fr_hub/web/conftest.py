"""The API on a real MongoDB, and clients of it with the roles that a test asks for."""

import base64
import contextlib
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

from common.audit.verification import AuditVerifier
from common.audit.writer import AuditWriter
from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.runtime.logger import get_log
from common.settings.web import WebSettings
from common.store.db_manager import DBManager
from common.store.unit_parts import web_parts
from fr_hub.web.app import make_app
from fr_hub.web.context import WebContext
from fr_hub.web.passwords import Passwords
from fr_hub.web.trail_check import TrailCheck

NORTH = "north"
"""A tenant that has the Fr-PACS ``mr-1`` and ``mr-2``."""

FAST = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A hasher for tests."""

ClientOf = Callable[..., TestClient]


def basic(name: str, password: str) -> dict[str, str]:
    """The header that signs in with a password."""
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


@pytest.fixture
def web_settings(tmp_path: Path) -> WebSettings:
    return WebSettings(
        web_tenants={NORTH: ("mr-1", "mr-2")},
        data_dir=tmp_path / "data",
        web_hosts=("testserver", "fr.example"),  # as the clients of tests name it
        hub_disk_free_mib=0,
        _env_file=None,  # type: ignore[call-arg]
    )


@pytest.fixture
def context(store: DBManager, web_settings: WebSettings) -> Iterator[WebContext]:
    log = get_log()
    with contextlib.closing(AuditWriter(store.audit_log, "fr-web", log)) as audit:
        yield WebContext(
            settings=web_settings,
            store=web_parts(store.recorded_by(audit)),
            audit=audit,
            log=log,
            tenants=web_settings.tenants,
            check_schema=store.check_schema,
            trail_check=TrailCheck(lambda: AuditVerifier(store).run(), log),
            passwords=Passwords(FAST),
        )


@pytest.fixture
def app(context: WebContext) -> FastAPI:
    return make_app(context)


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """A client that has not signed in."""
    with TestClient(app) as client:
        yield client


@pytest.fixture
def client_of(app: FastAPI, context: WebContext) -> Iterator[ClientOf]:
    """Makes a client of a new user with these roles, in this tenant."""
    with contextlib.ExitStack() as stack:

        def make(*roles: Role, tenant: str = DEFAULT_TENANT) -> TestClient:
            name = f"user-{uuid.uuid4().hex[:8]}"
            password = context.passwords.hash_now(name)
            assert context.store.users.add(name, tenant, roles, password)
            if roles == (Role.EMERGENCY,):  # no token has this role
                return stack.enter_context(TestClient(app, headers=basic(name, name)))
            # Longer than the tokens that tests make with it, which end with it.
            token = context.store.tokens.add(name, timedelta(days=2))
            headers = {"Authorization": f"Bearer {token}"}
            return stack.enter_context(TestClient(app, headers=headers))

        yield make
