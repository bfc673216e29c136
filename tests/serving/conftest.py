"""A server of PostgreSQL for the tests of the service, where its programs are installed."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

BESIDES_PATH = "/usr/lib/postgresql/17/bin:/usr/lib/postgresql/16/bin:/usr/lib/postgresql/15/bin"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The folder of the socket of a running server; its user is `mmrec`. Nothing listens on the network."""
    psycopg = pytest.importorskip("psycopg")
    path = f"{os.environ.get('PATH', '')}:{BESIDES_PATH}"
    initdb, postgres = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or postgres is None:
        pytest.skip("there is no PostgreSQL here: apt-get install postgresql")
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}  # it refuses root
    folder = Path(tempfile.mkdtemp(prefix="mmrec_pg_", dir="/tmp"))  # a socket has a short path
    process = None
    try:
        if user:
            shutil.chown(folder, "nobody")
        data = folder / "data"
        command = [initdb, "-D", data, "-U", "mmrec", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **user)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "shared_buffers=16MB", "-c", "fsync=off"]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen([postgres, "-D", data, *options], stdout=log, stderr=log, cwd=folder, **user)
        for _ in range(300):
            try:
                psycopg.connect(f"postgresql://mmrec@/postgres?host={folder}").close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield str(folder)
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # ends at once; nothing of it is kept
            process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """`new_store_url()`: the URL of a store that does not exist yet; tests run once for each kind of store."""
    numbers = count()
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path / f'events{next(numbers)}.db'}"
    import psycopg

    server = request.getfixturevalue("postgres_server")

    def new() -> str:
        name = f"t{os.getpid()}_{time.monotonic_ns()}_{next(numbers)}"
        with psycopg.connect(f"postgresql://mmrec@/postgres?host={server}", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://mmrec@/postgres?host={server}&options=-csearch_path%3D{name}"

    return new
