"""Routes of sessions: dialogues that steer a list, and why items are in one."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from mmrec.serving.answer import Answer
from mmrec.serving.api.bodies import Explained, FeedbackBody, Id, SessionBody
from mmrec.serving.api.calls import ExplainQuery, KQuery, LanguageQuery, RerankQuery, call, explained, service_of, written
from mmrec.serving.api.pictures import picture_from_base64
from mmrec.serving.refusal import CANNOT_ANSWER, Refused
from mmrec.serving.sessions.open_sessions import OpenSessions, SessionEnded, SessionState
from mmrec.serving.sessions.session_entry import CRITIQUE, DISLIKE, LIKE, PICTURE, UNDO, SessionEntry

router = APIRouter(tags=["sessions"])
_SESSION_AT = Annotated[str, Path(min_length=1, max_length=100, description="As `POST /v1/sessions` answered.")]


@router.post("/v1/sessions", response_model=SessionState, status_code=201)
async def begin(request: Request, body: SessionBody) -> Response:
    """Begin a dialogue with a user, or with somebody who is not stored. It ends when nobody speaks for half an hour."""
    return written(await call(request, _sessions(request).begin, body.user_id, body.history, body.language), 201)


@router.post("/v1/sessions/{session}/feedback", response_model=SessionState)
async def tell(request: Request, session: _SESSION_AT, body: FeedbackBody) -> Response:
    """Say one thing: an item that is liked or disliked, a critique in English or Chinese, a picture, or undo."""
    picture = picture_from_base64(body.picture)
    return written(await call(request, _sessions(request).tell, session, _said(body, picture)))


@router.get("/v1/sessions/{session}/recommendations", response_model=Answer)
async def recommend(
    request: Request,
    session: _SESSION_AT,
    k: KQuery = 10,
    rerank: RerankQuery = None,
    explain: ExplainQuery = False,
    language: LanguageQuery = "en",
) -> Response:
    """Return the list of a session, without what the person has had, liked or disliked."""
    sessions = _sessions(request)
    answer = await call(request, sessions.recommend, session, k, rerank or ())
    if explain:
        user_id = await call(request, sessions.user_of, session)
        if user_id is None:
            raise Refused(CANNOT_ANSWER, "explain: only recommendations for users of the run are explained, and this session is nobody's")
        answer = await explained(request, answer, user_id, language)
    return written(answer)


@router.delete("/v1/sessions/{session}", response_model=SessionEnded)
async def end(request: Request, session: _SESSION_AT) -> Response:
    """End a session. What a user liked and disliked is stored as events."""
    return written(await call(request, _sessions(request).end, session))


@router.get("/v1/explanations", response_model=Explained, tags=["lists"])
async def explain_item(
    request: Request,
    user_id: Annotated[Id, Query(description="A user of the run.")],
    item_id: Annotated[Id, Query(description="An item that they have not had.")],
    language: LanguageQuery = "en",
) -> Response:
    """Return sentences that say why an item is recommended to a user: evidence, history, and paths in the graph."""
    service = service_of(request)
    found = await call(request, service.explain, user_id, [item_id], 10, language)
    sentences = list(found.get(item_id, ()))
    return Response(
        Explained(model=service.model.version, item_id=item_id, sentences=sentences).model_dump_json(), media_type="application/json"
    )


def _sessions(request: Request) -> OpenSessions:
    sessions: OpenSessions = request.app.state.sessions
    return sessions


def _said(body: FeedbackBody, picture: bytes | None) -> SessionEntry:
    """What is said to the session."""
    if body.like is not None:
        return SessionEntry(LIKE, body.like)
    if body.dislike is not None:
        return SessionEntry(DISLIKE, body.dislike)
    if body.undo:
        return SessionEntry(UNDO)
    return SessionEntry(CRITIQUE if picture is None else PICTURE, body.critique or "", picture)
