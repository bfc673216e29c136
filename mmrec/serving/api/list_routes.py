"""Routes that return lists of items."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mmrec.serving.answer import Answer
from mmrec.serving.api.bodies import By, Id, RecommendationBody, Text
from mmrec.serving.api.calls import (
    CursorQuery,
    ExplainQuery,
    FilterQuery,
    KQuery,
    LanguageQuery,
    RerankQuery,
    UserQuery,
    call,
    explained,
    service_of,
    wanted_of,
    written,
)
from mmrec.serving.api.pictures import PICTURE, picture_of
from mmrec.serving.model.served import ALL

router = APIRouter(tags=["lists"])


@router.get("/v1/users/{user_id:path}/recommendations", response_model=Answer)
async def recommend(
    request: Request,
    user_id: Annotated[Id, Path()],
    k: KQuery = 10,
    cursor: CursorQuery = None,
    filter: FilterQuery = None,
    rerank: RerankQuery = None,
    explain: ExplainQuery = False,
    language: LanguageQuery = "en",
) -> Response:
    """Return the best items for a user, without those that the user has had; for an unknown user, what is popular now."""
    answer = await call(request, service_of(request).recommend, user_id, wanted_of(k, cursor, filter, rerank))
    return written(await explained(request, answer, user_id, language) if explain else answer)


@router.post("/v1/recommendations", response_model=Answer)
async def recommend_to_history(request: Request, body: RecommendationBody) -> Response:
    """Return the best items for a session, or for a user who is not stored."""
    return written(await call(request, service_of(request).recommend_to_history, body.past(), body.wanted()))


@router.get("/v1/items/{item_id:path}/similar", response_model=Answer)
async def similar(
    request: Request,
    item_id: Annotated[Id, Path()],
    by: Annotated[By, Query(description="all, text, image, kg, collaborative, or another modality of the items.")] = ALL,
    k: KQuery = 10,
    cursor: CursorQuery = None,
    filter: FilterQuery = None,
) -> Response:
    """Return the items that are most similar to an item."""
    return written(await call(request, service_of(request).similar, item_id, by, wanted_of(k, cursor, filter)))


@router.get("/v1/search", response_model=Answer)
async def search(
    request: Request,
    q: Annotated[Text, Query(min_length=1, description="Words, in any language that the encoder of texts reads.")],
    user_id: UserQuery = None,
    k: KQuery = 10,
    cursor: CursorQuery = None,
    filter: FilterQuery = None,
) -> Response:
    """Return the items that match a text."""
    return written(await call(request, service_of(request).search, q, wanted_of(k, cursor, filter), user_id))


@router.post("/v1/search", response_model=Answer, openapi_extra={"requestBody": PICTURE})
async def search_by_picture(
    request: Request, user_id: UserQuery = None, k: KQuery = 10, cursor: CursorQuery = None, filter: FilterQuery = None
) -> Response:
    """Return the items that look like a picture, which is the body of the request."""
    picture = await picture_of(request)
    return written(await call(request, service_of(request).search, picture, wanted_of(k, cursor, filter), user_id))
