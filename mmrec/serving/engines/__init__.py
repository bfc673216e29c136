"""What runs a service in more than one process: several on one socket of a machine, or replicas of Ray Serve."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.engines.processes import run_processes as run_processes
    from mmrec.serving.engines.ray_serve import Replicas as Replicas
    from mmrec.serving.engines.ray_serve import make_application as make_application
    from mmrec.serving.engines.ray_serve import run_on_ray as run_on_ray

__getattr__, __dir__, __all__ = lazy_names(__name__, {".processes": "run_processes", ".ray_serve": "Replicas make_application run_on_ray"})
