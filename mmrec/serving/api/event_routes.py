"""Routes that take events."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import Field
from starlette.responses import Response

from mmrec.serving.api.bodies import MAX_EVENTS, EventBody, EventsStored
from mmrec.serving.api.calls import call, service_of
from mmrec.serving.events.event import Event

router = APIRouter(tags=["events"])
Events = EventBody | Annotated[list[EventBody], Field(min_length=1, max_length=MAX_EVENTS)]


@router.post("/v1/events", response_model=EventsStored, status_code=202)
async def add_events(request: Request, body: Annotated[Events, Body()]) -> Response:
    """Store one or many events, durably before the answer; they count from the users' next lists on."""
    service, given = service_of(request), body if isinstance(body, list) else [body]
    now = service.clock()
    events = [
        Event(
            event_id=one.event_id or str(uuid.uuid4()),
            user_id=one.user_id,
            item_id=one.item_id,
            timestamp=now if one.timestamp is None else one.timestamp,
            event=one.event,
            position=one.position,
            propensity=one.propensity,
            model=one.model,
        )
        for one in given
    ]
    stored = await call(request, service.add_events, events)
    if (metrics := getattr(request.app.state, "metrics", None)) is not None:
        metrics.add_events(stored)
    answer = EventsStored(model=service.model.version, received=len(events), stored=stored)
    return Response(answer.model_dump_json(), 202, media_type="application/json")
