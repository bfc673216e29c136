"""Routes about the model, and whether the service is alive and ready."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from mmrec.serving.answer import About
from mmrec.serving.api.bodies import ModelBody
from mmrec.serving.api.calls import call, call_slow, service_of, written

router = APIRouter()


@router.get("/v1/model", response_model=About, tags=["model"])
async def about(request: Request) -> Response:
    """Return what the model in use is and can do."""
    return written(await call(request, service_of(request).about))


@router.post("/v1/model", response_model=About, tags=["model"])
async def swap(request: Request, body: ModelBody) -> Response:
    """Serve another run, named by its folder beside the one in use. A damaged run is refused, and the one in use stays."""
    return written(await call_slow(request, service_of(request).swap, body.run))


@router.post("/v1/model/rollback", response_model=About, tags=["model"])
async def rollback(request: Request) -> Response:
    """Serve the model before the last change again."""
    return written(await call_slow(request, service_of(request).rollback))


@router.get("/healthz", tags=["health"])
async def healthz() -> Response:
    """Return whether the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", tags=["health"])
async def readyz(request: Request) -> Response:
    """Return whether the service can answer: it has a model, and its store can be read."""
    service = service_of(request)
    await call(request, service.store.items_version)
    return JSONResponse({"status": "ok", "model": service.model.version})
