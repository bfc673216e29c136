"""Starts two replicas with Ray Serve, changes their run while requests are sent, and prints what was seen.

`python change_replicas.py FOLDER PORT`: FOLDER has the runs a and b. Ray is started on the loopback address. The last line is JSON.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from mmrec.serving.engines.ray_serve import start_ray

N_REPLICAS, N_REQUESTS = 2, 30


def deploy(folder: str, run: str) -> None:
    """Do what `serve deploy` does with a file, of which only the run differs."""
    from ray.serve.context import _get_global_client
    from ray.serve.schema import ServeDeploySchema

    args = {"run": f"{folder}/a", "paths.runs": folder, "workers": N_REPLICAS, "threads": 1}
    one = {"name": "mmrec", "route_prefix": "/", "import_path": "mmrec.cli.serving.replicas:application", "args": args}
    content = {"applications": [one | {"deployments": [{"name": "mmrec", "user_config": {"run": run}}]}]}
    _get_global_client().deploy_apps(ServeDeploySchema.model_validate(content), _blocking=False)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for ten minutes at most."""
    deadline = time.monotonic() + 600
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.5)


def replicas() -> list[str]:
    """The ids of the replicas."""
    from ray.serve.context import _get_global_client

    details = _get_global_client().get_serve_details()["applications"]["mmrec"]["deployments"]["mmrec"]
    return sorted(one["replica_id"] for one in details["replicas"])


def main(folder: str, port: int) -> None:
    """Deploy run a, then run b."""
    url = f"http://127.0.0.1:{port}"

    def answer() -> list[Any]:
        found = httpx.get(f"{url}/v1/users/1/recommendations?k=9", timeout=120)
        if found.status_code != 200:
            return [found.status_code, found.text]
        return [found.json()["model"][0], {one["item_id"]: one["score"] for one in found.json()["items"]}]

    start_ray(N_REPLICAS)  # before ray is imported
    import ray
    from ray import serve

    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    deploy(folder, "a")
    until(lambda: serve.status().applications["mmrec"].status == "RUNNING")
    seen: dict[str, Any] = {"telemetry": os.environ["RAY_USAGE_STATS_ENABLED"], "address": ray.util.get_node_ip_address()}
    seen |= {"replicas": replicas(), "before": [answer() for _ in range(N_REQUESTS)]}
    event = {"event_id": "e", "user_id": "7", "item_id": "y"}
    seen["stored"] = [httpx.post(f"{url}/v1/events", json=event, timeout=120).json()["stored"] for _ in range(6)]
    during: list[Any] = []
    is_done = threading.Event()

    def ask() -> None:
        while not is_done.is_set():
            try:
                during.append(answer())
            except httpx.HTTPError as error:
                during.append([repr(error)])

    thread = threading.Thread(target=ask)
    thread.start()
    deploy(folder, "b")
    until(lambda: all(answer()[0] == "b" for _ in range(N_REQUESTS)))
    is_done.set()
    thread.join()
    seen |= {"during": during, "after": [answer() for _ in range(N_REQUESTS)], "replicas_after": replicas()}
    serve.shutdown()
    ray.shutdown()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
