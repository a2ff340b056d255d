"""The API on a real socket, in a thread of the test."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI

from common.domain.types import DEFAULT_TENANT
from common.domain.user import Role
from common.runtime.lifecycle import Stop
from common.settings.web import WebSettings
from fr_hub.web.context import WebContext
from fr_hub.web.serving import serve
from tests.running import free_port, listens, until

HeadersOf = Callable[..., dict[str, str]]


@pytest.fixture
def stopping() -> Stop:
    return Stop()


@pytest.fixture
def port(app: FastAPI, web_settings: WebSettings, stopping: Stop) -> Iterator[int]:
    """The port of the API."""
    settings = web_settings.model_copy(update={"web_port": free_port()})
    thread = threading.Thread(target=lambda: asyncio.run(serve(app, settings, stopping)))
    thread.start()
    until(lambda: listens(settings.web_port), 30)
    yield settings.web_port
    stopping.request_stop()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def headers_of(context: WebContext) -> HeadersOf:
    """Makes the headers of a new user with these roles, in this tenant."""

    def make(*roles: Role, tenant: str = DEFAULT_TENANT) -> dict[str, str]:
        name = f"user-{uuid.uuid4().hex[:8]}"
        assert context.store.users.add(name, tenant, roles)
        token = context.store.tokens.add(name, timedelta(hours=1))
        return {"Authorization": f"Bearer {token}"}

    return make
