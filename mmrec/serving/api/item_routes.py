"""Routes that change items, show their pictures, and forget users."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from mmrec.experiment.run.item_source import ItemContent
from mmrec.serving.answer import ItemChange
from mmrec.serving.api.bodies import Id, ItemBody, UserForgotten
from mmrec.serving.api.calls import call, call_slow, service_of, written
from mmrec.serving.api.pictures import check_picture, picture_from_base64, shown_picture
from mmrec.serving.service import Service

router = APIRouter(tags=["items"])
_ITEM_AT = Annotated[Id, Path()]
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}}


@router.put("/v1/items/{item_id:path}", response_model=ItemChange, responses={201: {"model": ItemChange, "description": "Added"}})
async def put_item(request: Request, item_id: _ITEM_AT, body: ItemBody) -> Response:
    """Add an item, placed by its text, picture and relations without training, or change what is known of one."""
    triples = [(relation, tail) for relation, tail in body.triples]
    item = ItemContent(item_id, body.fields, picture_from_base64(body.picture), triples, body.entity)
    change = await call_slow(request, _put, service_of(request), item)
    return written(change, 201 if change.is_new else 200)


@router.delete("/v1/items/{item_id:path}", response_model=ItemChange)
async def delete_item(request: Request, item_id: _ITEM_AT) -> Response:
    """Remove an item from all lists."""
    return written(await call_slow(request, service_of(request).delete_item, item_id))


@router.get("/v1/items/{item_id:path}/image", response_class=Response, responses=_JPEG)
async def image(request: Request, item_id: _ITEM_AT) -> Response:
    """Return the picture of an item as a JPEG of at most 512 pixels a side."""
    content = await call(request, _shown, service_of(request), item_id)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})


@router.delete("/v1/users/{user_id:path}", response_model=UserForgotten, tags=["users"])
async def delete_user(request: Request, user_id: Annotated[Id, Path()]) -> Response:
    """Remove a user, their events and sessions; what the data of the model say of them is not used any more."""
    service = service_of(request)
    n_events = await call(request, service.delete_user, user_id)
    request.app.state.sessions.forget(user_id)
    return JSONResponse({"model": service.model.version, "removed_events": n_events})


def _put(service: Service, item: ItemContent) -> ItemChange:
    if item.shown is not None:
        check_picture(item.shown.read())  # models that read none would store anything
    return service.put_item(item)


def _shown(service: Service, item_id: str) -> bytes:
    return shown_picture(service.picture(item_id))
