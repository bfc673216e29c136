"""The service over HTTP, as an ASGI application."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.api.app import make_app as make_app
    from mmrec.serving.api.server import run_server as run_server

__getattr__, __dir__, __all__ = lazy_names(__name__, {".app": "make_app", ".server": "run_server"})
