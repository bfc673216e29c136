"""What an operator sees of a service: metrics for Prometheus, drift, and logs."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.monitoring.drift import Drift as Drift
    from mmrec.serving.monitoring.logs import log_as_json as log_as_json
    from mmrec.serving.monitoring.metrics import ModelState as ModelState
    from mmrec.serving.monitoring.metrics import ServiceMetrics as ServiceMetrics

__getattr__, __dir__, __all__ = lazy_names(__name__, {".drift": "Drift", ".logs": "log_as_json", ".metrics": "ModelState ServiceMetrics"})
