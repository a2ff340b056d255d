"""The context is the application's."""

from fastapi import FastAPI
from starlette.requests import Request

from fr_hub.web.context import WebContext, context_of


def test_a_route_gets_the_context_of_its_application(app: FastAPI, context: WebContext) -> None:
    assert context_of(Request({"type": "http", "app": app})) is context
