"""The command `mmrec data ingest`: check, filter and split a folder of any size in bounded memory."""

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any, cast

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.config.values import plain
from mmrec.data.folder.read import check_choices, open_folder
from mmrec.data.folder.settings import Layout
from mmrec.data.ingest.ingest import MANIFEST, Ingest
from mmrec.data.interactions.filter import Filter
from mmrec.data.interactions.split_rules import RULES, Rule
from mmrec.errors import ConfigError, StorageError, nearest
from mmrec.files.locate import user_path
from mmrec.row_count import RowCount
from mmrec.schemas import IngestCommandConfig
from mmrec.terminal import say
from mmrec.types import PARTS

_READER, _SPLITS = "mmrec.data.folder.read.read_folder", "mmrec.data.interactions.split."


@console_output()
def ingest_command(cfg: DictConfig) -> Mapping[str, Any]:
    """Write the folder `output`, print the row counts and the command to train on it, and return the manifest.

    Raises:
        ConfigError: the data are not a folder; also as `Ingest.into`.
        StorageError: the output cannot be written.
    """
    check(cfg, IngestCommandConfig)
    data, out = plain(cfg.data), user_path(cfg.output)
    if data["_target_"] != _READER:
        raise ConfigError("data: expected data=folder; other datasets need no ingestion, train on them directly")
    check_choices({}, data["on_error"])
    layout = cast(Layout, {name: data[name] for name in Layout.__annotations__})
    wanted, rule = Filter(**plain(cfg.filter)), _rule(cfg)
    opened = open_folder(data["path"], layout, build(cfg, "data.limits"))
    work = Ingest(opened, wanted, rule, data["on_error"], data["quarantine"], data["pictures"])
    try:
        manifest, is_new = work.into(out)
    except OSError as error:
        raise StorageError(
            f"{error.filename or out}: {error.strerror}; nothing was written; free space, or choose another folder"
        ) from None
    _show(manifest, data, out, is_new)
    return manifest


def _rule(cfg: DictConfig) -> Rule:
    """The configured split rule. Raises ConfigError for split functions that are not part of mmrec."""
    values = {name: value for name, value in plain(cfg.split).items() if not name.startswith("_")}
    target = cfg.split["_target_"]
    name = target.removeprefix(_SPLITS)
    if not target.startswith(_SPLITS) or name not in RULES:
        raise ConfigError(f"split: expected a split of mmrec, found `{target}`; {nearest(name, RULES)}")
    return RULES[name](**values)


def _show(manifest: Mapping[str, Any], data: Mapping[str, Any], out: Path, is_new: bool) -> None:
    """Print a summary and the next command."""
    split = manifest["split"]
    lines = [] if is_new else [f"{out} is already up to date with these files and settings; nothing to do"]
    lines += [
        str(RowCount(name, count["in"], *(count[why] for why in ("quarantined", "deduplicated", "filtered"))))
        for name, count in manifest["counts"].items()
    ]
    lines += [f"note: {note}" for note in manifest["notes"]]
    lines.append(f"split {split['name']}: " + ", ".join(f"{split[part]:,} {part}" for part in PARTS))
    lines += [f"note: {note}" for note in split["notes"]]
    words = [f"data.path={out}"]
    if manifest["image_column"] is not None:
        words.append(f"data.pictures={data['pictures'] or data['path']}")  # pictures are not copied
    words += ["data.allow_hosts=[" + ",".join(data["allow_hosts"]) + "]"] if data.get("allow_hosts") else []
    lines.append(f"{'written' if is_new else 'there'}: {out / MANIFEST}")
    lines.append(f"next: mmrec train data=folder {' '.join(map(quote, words))} split=given")
    say(*lines, stderr=False)
