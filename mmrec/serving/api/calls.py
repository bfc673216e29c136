"""What routes have in common: how they call the service, and how they write what it returns."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request
from starlette.responses import Response

from mmrec.serving.answer import MAX_K, Answer, Wanted
from mmrec.serving.api.bodies import MAX_FILTERS, Cursor, Id, Language, Text
from mmrec.serving.filters import parse_conditions
from mmrec.serving.service import Service
from mmrec.serving.sessions.reranking import parse_rerankers

T = TypeVar("T")
KQuery = Annotated[int, Query(ge=1, le=MAX_K, description="How many items at most.")]
UserQuery = Annotated[Id | None, Query(description="Whose taste orders the best matches.")]
CursorQuery = Annotated[Cursor | None, Query()]
FilterQuery = Annotated[
    list[Text] | None,
    Query(max_length=MAX_FILTERS, description="column:value, column>=number or column<=number; values of one column are alternatives."),
]

RerankQuery = Annotated[
    list[Text] | None,
    Query(max_length=MAX_FILTERS, description="mmr, dpp, calibrated, xquad or capped, also with what it compares: capped:brand."),
]
ExplainQuery = Annotated[bool, Query(description="Whether to say why, in sentences; only for users of the run.")]
LanguageQuery = Annotated[Language, Query(description="Of the sentences: en or zh.")]


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


async def call(request: Request, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that computes a list, in a thread."""
    found: T = await request.app.state.workers.call(function, *arguments)
    metrics = getattr(request.app.state, "metrics", None)
    if metrics is not None and isinstance(found, Answer):
        metrics.add_list([one.score for one in found.items], found.reason)
    return found


async def call_slow(request: Request, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that changes items or the model, in a thread of its own."""
    found: T = await request.app.state.slow_workers.call(function, *arguments)
    return found


def wanted_of(k: int, cursor: str | None, filters: list[str] | None, rerank: list[str] | None = None) -> Wanted:
    """What a list is to be like, from a query."""
    return Wanted(k, cursor, parse_conditions(filters or ()), rerank=parse_rerankers(rerank or ()))


async def explained(request: Request, answer: Answer, user_id: str, language: str) -> Answer:
    """The answer with sentences that say why each item is in it."""
    names = [one.item_id for one in answer.items]
    return replace(answer, explanations=await call(request, service_of(request).explain, user_id, names, len(names) or 1, language))


def written(found: Any, status: int = 200) -> Response:
    """A dataclass of the service as JSON."""
    content = {**vars(found), "items": [vars(one) for one in found.items]} if isinstance(found, Answer) else asdict(found)
    return Response(json.dumps(content, ensure_ascii=False, allow_nan=False).encode(), status, media_type="application/json")
