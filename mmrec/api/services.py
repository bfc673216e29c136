"""Make the service of a run: for `mmrec serve`, and for notebooks."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmrec.experiment.run.run import Run
    from mmrec.serving.model.served import ServedModel
    from mmrec.serving.service import Service

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def make_service(
    run: "Run", reopen: "Callable[[Path], Run]", store: str | None = None, index: str = "auto", user_key: bytes | None = None
) -> "Service":
    """Make the service of a run, which can change to any other finished run beside it.

    Args:
        run: the run to begin with, unless processes with the same store that were started with it were asked for another since then.
        reopen: opens another one.
        store: where events are kept, as `mmrec.serving.open_store` takes it; None: in memory.
        index: `exact`, `usearch`, or `auto`: by the number of items.
        user_key: where given, user ids are stored as hashes with this key.

    Raises:
        MmrecError: the run is damaged, or the store cannot be opened.
    """
    from mmrec.errors import DataError, MmrecError
    from mmrec.experiment.run_folder.find import is_finished
    from mmrec.serving.events.memory_store import MemoryEventStore
    from mmrec.serving.events.store_urls import open_store
    from mmrec.serving.model.open_model import open_model
    from mmrec.serving.refusal import UNKNOWN_RUN, Refused
    from mmrec.serving.service import Service

    beside = run.folder.resolve().parent

    def load(name: str) -> "ServedModel":
        folder = beside / name
        if not _NAME.fullmatch(name) or not is_finished(folder):
            raise Refused(UNKNOWN_RUN, f"run: there is no finished run `{name}` beside the one in use")
        if folder.is_symlink():
            raise DataError(f"{name} is a link")
        return open_model(reopen(folder), index)

    opened = MemoryEventStore() if store is None else open_store(store, user_key)
    start = run.folder.resolve().name

    def first() -> "ServedModel":
        served = opened.served_run()
        if served is not None and served.start == start and served.chosen.run != start:
            try:
                found = load(served.chosen.run)
                _log.warning(f"serve: {found.version} is served, which took the place of {start} by `POST /v1/model` before")
                return found
            except (MmrecError, OSError) as error:
                _log.error(f"serve: {served.chosen.version} was served before; {start} takes its place: {error}")
        return open_model(run, index)

    try:
        return Service(first(), opened, time.time, load, start)
    except BaseException:
        opened.close()
        raise
