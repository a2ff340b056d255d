"""Which query parameters a request may have: a misspelt filter must not list everything."""

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from fr_hub.web.problems import FieldError, Problem


async def refuse_unknown_parameters(connection: HTTPConnection) -> None:
    """Refuse a request with a query parameter that its route does not take.

    Raises:
        Problem: 422, with the names of the known parameters. The name of the unknown one is the
            client's, and may be anything.
    """
    route = connection.scope.get("route")
    if not connection.query_params or not isinstance(route, APIRoute):
        return
    fields = get_flat_params(route.dependant)
    known = {one.alias for one in fields if isinstance(one.field_info, params.Query)}
    if known.issuperset(connection.query_params):
        return
    message = "has an unknown parameter; "
    message += f"known are {', '.join(sorted(known))}" if known else "this address takes none"
    raise Problem(
        422,
        "invalid",
        "The request is not valid; correct the fields in 'errors'.",
        errors=[FieldError(field="query", message=message)],
    )
