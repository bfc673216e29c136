"""Optional dependencies: the extras of pyproject.toml and the packages that each of them installs."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from mmrec.errors import MissingExtra

EXTRAS = {
    "adapters": ("peft",),
    "pictures": ("open_clip", "torchvision"),
    "graph": ("defusedxml", "pyoxigraph", "torch_geometric"),
    "tune": ("optuna",),
    "sweeps": ("hydra_plugins", "joblib"),
    "ray": ("ray",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow", "alembic", "sqlalchemy"),
    "postgres": ("psycopg",),
    "serve": ("fastapi", "uvicorn", "prometheus_client", "cryptography"),
    "serve_ray": ("ray",),
    "ann": ("usearch",),
}
"""The packages of each extra, under the names by which they are imported."""


@contextmanager
def needs(extra: str, what: str, instead: str = "") -> Iterator[None]:
    """Import packages of an extra inside this context.

    Args:
        extra: a key of `EXTRAS`.
        what: what needs the packages; the subject of the message.
        instead: how to go without them, where there is a way.

    Raises:
        MissingExtra: where a package of the extra is not installed. Any other ImportError is raised as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS[extra]:
            raise
        raise MissingExtra(extra, f"{what} needs {package}, which is not installed", instead) from error


def is_installed(extra: str) -> bool:
    """Return whether the packages of an extra can be imported."""
    try:
        return all(find_spec(package) is not None for package in EXTRAS[extra])
    except ModuleNotFoundError:
        return False
