"""The context is the application's."""

import asyncio

from fastapi import FastAPI
from starlette.requests import Request

from fr_hub.web.context import WebContext, context_of


def test_a_route_gets_the_context_of_its_application(app: FastAPI, context: WebContext) -> None:
    found = asyncio.run(context_of(Request({"type": "http", "app": app})))
    assert found is context
