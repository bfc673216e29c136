"""The files for containers name what is in the project: sources, extras, ports, paths, words of `mmrec serve`, variables, metrics."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

import mmrec
from mmrec.cli.main import VERBS
from mmrec.config.check import check
from mmrec.extras import EXTRAS
from mmrec.schemas import ServeConfig
from mmrec.serving.api.app import make_app
from mmrec.serving.monitoring.metrics import ModelState, ServiceMetrics
from tests.serving.made_run import write_run

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
PINNED = re.compile(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z]+)*")
Compose = Callable[..., DictConfig]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile and what follows each, in order."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def values(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def arguments() -> dict[str, str]:
    return dict(value.split("=", 1) for value in values("ARG"))


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for word in shlex.split(values("ENV")[0]))


def manifests() -> Iterator[dict[str, Any]]:
    names = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert {*names, "kustomization.yaml"} == {path.name for path in KUBERNETES.iterdir()}
    for name in names:
        yield from yaml.safe_load_all((KUBERNETES / name).read_text())


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [one for one in manifests() if one["kind"] == kind]
    return found


def compose_file() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def container() -> dict[str, Any]:
    (found,) = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def words_of(kind: str) -> list[str]:
    """The words of `mmrec serve` in a container of Docker alone, of compose, and of Kubernetes."""
    (entry,) = values("ENTRYPOINT")
    first, second, *fixed = json.loads(entry)
    assert first == "mmrec" and second in VERBS and second == "serve"
    (alone,) = (json.loads(value) for value in values("CMD"))
    more = {"docker": alone, "compose": compose_file()["services"]["mmrec"]["command"], "kubernetes": container()["args"]}
    return [*fixed, *(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in more[kind])]


def test_the_image_is_built_from_what_is_there_and_runs_without_rights() -> None:
    kinds = [name for name, _ in instructions()]
    assert kinds.count("FROM") == 2 and all(value.startswith("${BASE}") for value in values("FROM"))
    assert PINNED.fullmatch(arguments()["BASE"])
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [name for value in values("COPY") if not value.startswith("--from") for name in value.split()[:-1]]
    assert sorted(copied) == sorted(let_through) and all((ROOT / name).exists() for name in copied)
    assert set(arguments()["EXTRAS"].split(",")) <= set(EXTRAS) and {"serve", "postgres"} <= set(arguments()["EXTRAS"].split(","))
    assert f"UV_VERSION := {arguments()['UV_VERSION']}\n" in (ROOT / "Makefile").read_text()
    (user,) = values("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) and kinds.index("USER") > max(i for i, one in enumerate(kinds) if one == "RUN")
    assert not any(re.search(r"PASSWORD|SECRET|KEY", value) for value in [*values("ENV"), *values("ARG")])


def test_what_the_wheel_is_built_from_is_copied() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    copied = [name for value in values("COPY") if not value.startswith("--from") for name in value.split()[:-1]]
    assert {"pyproject.toml", "setup.py", "mmrec", "data_modules", "conf"} <= set(copied)
    assert {re.search(r'^readme = "(.+)"', project, re.M)[1], *re.findall(r'^license-files = \["(.+)"\]', project, re.M)} <= set(copied)


@pytest.mark.parametrize("kind", ["docker", "compose", "kubernetes"])
def test_every_word_is_one_of_mmrec_serve(kind: str, compose: Compose) -> None:
    config = compose(*words_of(kind), name="serve")
    check(config, ServeConfig)
    assert config.host == "0.0.0.0" and config.api_keys and config.paths.runs == "/runs"
    (port,) = values("EXPOSE")
    assert config.port == int(port)


def test_variables_are_read_by_mmrec() -> None:
    of_python = {"PATH", "HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    read = set(re.findall(r"oc\.env:(\w+)", (ROOT / "conf" / "paths" / "default.yaml").read_text()))
    given = {*compose_file()["services"]["mmrec"]["environment"], *(one["name"] for one in container().get("env", ()))}
    assert given | (set(environment()) - of_python) == {"MMREC_CACHE"} and given <= read
    folders = {environment()["MMREC_CACHE"], "/runs"}
    assert all(folder in " ".join(values("RUN")) for folder in folders)
    assert folders <= {one["mountPath"] for one in container()["volumeMounts"]}


def test_health_is_asked_at_routes_that_are_there(tmp_path: Path) -> None:
    app = make_app(mmrec.open_run(write_run(tmp_path / "a")).service())
    (health,) = values("HEALTHCHECK")
    (port,) = values("EXPOSE")
    assert f"http://127.0.0.1:{port}/healthz" in health
    probes = {container()[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probes == {"/healthz", "/readyz"} <= set(app.openapi()["paths"])


def test_compose_joins_its_parts() -> None:
    file = compose_file()
    service, database = file["services"]["mmrec"], file["services"]["postgres"]
    assert PINNED.fullmatch(database["image"]) and service["image"] == f"mmrec:{mmrec.__version__}" and (ROOT / service["build"]).is_dir()
    words = dict(word.split("=", 1) for word in service["command"])
    settings = database["environment"]
    assert words["store"] == f"postgresql://{settings['POSTGRES_USER']}@postgres/{settings['POSTGRES_DB']}"
    assert words["store_password_file"] == settings["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    assert words["api_keys"] == "/run/secrets/api_keys" and set(service["secrets"]) == set(file["secrets"])
    assert all(one["file"].startswith("./secrets/") for one in file["secrets"].values())
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and all(one.startswith("127.0.0.1:") for one in service["ports"])
    assert {one.split(":")[0] for one in database["volumes"]} == set(file["volumes"])


def test_manifests_join_their_parts() -> None:
    deployment = of_kind("Deployment")
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == of_kind("Service")["spec"]["selector"]
    assert of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    (port,) = container()["ports"]
    assert str(port["containerPort"]) == values("EXPOSE")[0] and of_kind("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    scaler = of_kind("HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    assert "replicas" not in deployment["spec"] and 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    assert set(volumes) == {one["name"] for one in container()["volumeMounts"]}
    assert volumes["runs"]["persistentVolumeClaim"]["claimName"] == of_kind("PersistentVolumeClaim")["metadata"]["name"]
    words = dict(word.split("=", 1) for word in container()["args"])
    mounted = next(one["mountPath"] for one in container()["volumeMounts"] if one["name"] == "secrets")
    given = re.findall(r"--from-file=(\w+)=", (KUBERNETES / "deployment.yaml").read_text())
    assert {words["api_keys"], words["store_password_file"]} == {f"{mounted}/{name}" for name in given}
    images = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["images"]
    assert images == [{"name": container()["image"], "newTag": mmrec.__version__}]


def test_pods_have_no_rights_and_time_to_end() -> None:
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == values("USER")[0]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    rights = container()["securityContext"]
    assert rights == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container()["resources"]["limits"]["memory"] and container()["resources"]["requests"]["cpu"]
    (_, seconds) = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + 10


def test_alerts_ask_for_metrics_that_are_there() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"]
    asked = {name for group in groups for rule in group["rules"] for name in re.findall(r"mmrec_\w+", rule["expr"])}
    metrics = ServiceMetrics(lambda: ModelState("a-1", 4, 3))
    metrics.add_request("GET", "/", 200, 0.1)
    metrics.add_events(1)
    shown = set(re.findall(r"^(mmrec_\w+)", metrics.page().decode(), re.MULTILINE))
    assert len(asked) >= 6 and asked <= shown


def test_manifests_are_what_kubernetes_expects() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for one in manifests():
        validate.validate(one, "1.34", strict=True)
