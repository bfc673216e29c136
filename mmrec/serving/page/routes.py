"""Routes of the page and of the documentation: HTML made here, and two files for the browser. Nothing comes from another site."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import jinja2
from fastapi import FastAPI, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from mmrec.serving.answer import Answer, Wanted
from mmrec.serving.api.calls import call, service_of
from mmrec.serving.page.interface import described_calls
from mmrec.serving.refusal import Refused
from mmrec.serving.service import Service

FOLDER = Path(__file__).parent
FILES = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
N_ITEMS, N_USERS = 12, 50
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_Word = Annotated[str, Query(max_length=512)]


def add_page(app: FastAPI, has_keys: bool = False) -> None:
    """Add the page, its files and the documentation to an application. They are no part of its OpenAPI document.

    Args:
        app: the application of a service.
        has_keys: whether API keys are needed. Then lists and ids of users come with the key that is typed into the page only.
    """

    async def show_page(request: Request, user: _Word = "", q: _Word = "") -> Response:
        service, problem, answer = service_of(request), "", None
        about = await call(request, service.about)
        if not has_keys:
            try:
                answer = await call(request, _first_list, service, user, q)
            except Refused as error:
                problem = str(error)
        users = [] if has_keys else list(service.model.known.users)[:N_USERS]
        content = {"about": about, "answer": answer, "problem": problem, "users": users, "user": user, "q": q, "has_keys": has_keys}
        return HTMLResponse(_TEMPLATES.get_template("page.html.j2").render(content))

    async def show_interface(request: Request) -> Response:
        document = request.app.openapi()
        content = {"title": document["info"]["title"], "version": document["info"]["version"], "calls": described_calls(document)}
        return HTMLResponse(_TEMPLATES.get_template("docs.html.j2").render(content))

    async def send_file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "there is no such file")
        return Response(_content(name), media_type=FILES[name], headers={"Cache-Control": "max-age=300"})

    routes: dict[str, Any] = {"/": show_page, "/docs": show_interface, "/static/{name}": send_file}
    for path, function in routes.items():
        app.add_api_route(path, function, methods=["GET"], include_in_schema=False, response_model=None)


def _first_list(service: Service, user: str, q: str) -> Answer:
    """What the page shows before, or without, its script: matches of a text, a user's list, or what is popular."""
    wanted = Wanted(N_ITEMS)
    if q:
        return service.search(q, wanted, user or None)
    return service.recommend(user, wanted) if user else service.recommend_to_history([], wanted)


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()
