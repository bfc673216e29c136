"""The whole application: the interface, the page, metrics and logs, behind keys and limits."""

import os

from mmrec.serving.api.app import make_app
from mmrec.serving.engines.processes import METRICS_FOLDER
from mmrec.serving.monitoring.logs import RequestLog
from mmrec.serving.monitoring.metrics import Metered, ModelState, ServiceMetrics
from mmrec.serving.page.routes import add_page
from mmrec.serving.security.api_keys import ApiKeys
from mmrec.serving.security.asgi import App
from mmrec.serving.security.guarded import Limits, guard
from mmrec.serving.service import Service


def make_front(service: Service, n_threads: int = 2, keys: ApiKeys | None = None, limits: Limits | None = None) -> App:
    """Make the application that `mmrec serve` runs.

    Args:
        service: what answers.
        n_threads: threads that compute lists.
        keys: the valid API keys; None: none is needed, and only requests to this machine's own names are answered.
        limits: of rate, size and time; None: those of `Limits`.
    """
    app = make_app(service, n_threads)
    add_page(app, keys is not None)

    def state() -> ModelState:
        about = service.about()
        return ModelState(about.model, about.n_items, about.n_users)

    app.state.metrics = ServiceMetrics(state, os.environ.get(METRICS_FOLDER))
    return guard(app, limits or Limits(), keys, around=lambda inner: RequestLog(Metered(inner, app.state.metrics)))
