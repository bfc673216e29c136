"""The method `Run.update`, the equivalent of the command `mmrec update`."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrec.config.hydra.from_overrides import to_overrides, update_settings_of
from mmrec.config.hydra.quoting import quoted

if TYPE_CHECKING:
    from mmrec.types import Dataset


def update_run(folder: Path, data: "Dataset | str | Path", out: str | Path, settings: Mapping[str, Any]) -> Path:
    """Update the run in a folder with a dataset or the folder of one, and return the folder of the updated run."""
    from mmrec.api.process_state import preserve_process_state

    is_path = isinstance(data, str | Path)
    words = [f"run={quoted(str(folder))}", f"out={quoted(str(out))}", f"data.path={quoted(str(data) if is_path else str(folder))}"]
    with preserve_process_state():
        from mmrec.experiment.updating.update import update

        return update(update_settings_of([*words, *to_overrides(settings)], None if isinstance(data, str | Path) else data))
