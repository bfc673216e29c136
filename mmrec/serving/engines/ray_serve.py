"""Replicas of a service on Ray Serve: as many as the load needs, between bounds, which change to another run in place."""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mmrec.errors import ConfigError
from mmrec.extras import needs
from mmrec.serving.security.asgi import App
from mmrec.serving.service import Service

NAME = "mmrec"
RUN = "run"
"""The key of the `user_config` of the deployment: another value is taken over by all replicas, without starting them again."""
_ALONE = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on any system: without it, Ray listens to the loopback address alone
}
"""The environment variables of a Ray on this machine, which it reads when it is imported."""


class Replicas(NamedTuple):
    """How many replicas there may be, and when others are added."""

    at_least: int = 1
    at_most: int = 1
    target_requests: int = 4
    """Under way in a replica, on average; with more of them, replicas are added."""
    max_requests: int = 130
    """Given to a replica at once; it refuses some of them by itself."""
    num_cpus: float = 1
    """Of a replica, by which Ray chooses its node."""


def make_application(make: Callable[[str], tuple[Service, App]], run: str, replicas: Replicas) -> Any:
    """Make what `serve.run` of Ray takes.

    Args:
        make: makes the service of a run folder and its application, in a replica. It has to be importable by its name.
        run: the run folder.
        replicas: how many.

    Raises:
        MissingExtra: Ray Serve is not installed.
    """
    if "RAY_ADDRESS" not in os.environ:
        os.environ.update(_ALONE)
    with needs("serve_ray", "engine=ray"):
        from ray import serve

    class Replica:
        """Answers requests in a process of Ray."""

        def __init__(self) -> None:
            self._service, self._app = make(run)

        def __serve_build_asgi_app__(self) -> App:
            """The application, which Ray starts and calls."""
            return self._app

        async def reconfigure(self, user_config: Mapping[str, str]) -> None:
            """Change to the run of the configuration, while requests are answered."""
            await asyncio.to_thread(self._service.reconfigure, user_config[RUN])

        def check_health(self) -> None:
            """Raise an error if the store cannot be read: Ray replaces the replica then."""
            self._service.store.items_version()

    deployment = serve.deployment(
        serve.ingress(None)(Replica),
        name=NAME,
        user_config={RUN: os.path.basename(os.path.realpath(run))},
        max_ongoing_requests=replicas.max_requests,
        ray_actor_options={"num_cpus": replicas.num_cpus},
        autoscaling_config={
            "min_replicas": replicas.at_least,
            "max_replicas": replicas.at_most,
            "target_ongoing_requests": replicas.target_requests,
        },
        graceful_shutdown_timeout_s=7,
    )
    return deployment.bind()


def run_on_ray(application: Any, host: str, port: int, n_replicas: int, ready: Callable[[], None]) -> None:
    """Answer requests by Ray Serve until SIGINT or SIGTERM.

    Ray starts on this machine, bound to the loopback address, without dashboard and telemetry, and ends with this process. With the
    environment variable RAY_ADDRESS, the application is given to the cluster there instead.

    Args:
        application: see `make_application`.
        host: the address that the proxy of Ray listens to.
        port: its port.
        n_replicas: the CPUs that a machine of its own offers are at least so many.
        ready: called when it answers.

    Raises:
        ConfigError: no replica could be started.
    """
    start_ray(n_replicas)
    import ray
    from ray import serve

    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
        try:
            serve.run(application, name=NAME, route_prefix="/")
        except RuntimeError as error:
            raise ConfigError(f"engine: no replica could be started: {error}") from error
        ready()
        threading.Event().wait()  # until a signal raises an exception
    finally:
        serve.shutdown()
        ray.shutdown()


def start_ray(n_replicas: int) -> None:
    """Start Ray on this machine, or connect to the cluster that RAY_ADDRESS names.

    Args:
        n_replicas: the CPUs that this machine offers are at least so many.
    """
    if "RAY_ADDRESS" not in os.environ:
        os.environ.update(_ALONE)
    import ray

    if "RAY_ADDRESS" in os.environ:
        ray.init(logging_level="error", log_to_driver=False)
        return
    n_cpus = max(os.cpu_count() or 1, n_replicas)
    ray.init(num_cpus=n_cpus, include_dashboard=False, logging_level="error", log_to_driver=False)
