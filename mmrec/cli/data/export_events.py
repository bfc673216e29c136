"""The command `mmrec data export-events store=… out=…`: the events of a service as interactions to train on."""

import polars as pl
from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.check import check
from mmrec.errors import ConfigError, StorageError
from mmrec.files.locate import user_path
from mmrec.files.storage import write_parquet
from mmrec.schemas import ExportEventsConfig
from mmrec.serving.events.interactions import events_to_interactions
from mmrec.serving.events.store_urls import open_existing_store, with_secrets
from mmrec.terminal import say


@console_output()
def export_events(cfg: DictConfig) -> pl.DataFrame:
    """Write the events of a store as `interactions.parquet`, print how many there are, and return them.

    Raises:
        ConfigError: `out` does not end in .parquet, or the store's URL or key is invalid.
        MissingFile: there is no such store.
        DataError: the store is another file.
        StorageError: the file cannot be written.
    """
    check(cfg, ExportEventsConfig)
    out = user_path(cfg.out)
    if out.suffix != ".parquet":
        raise ConfigError(f"out: expected the name of a file that ends in .parquet, found `{cfg.out}`")
    store = open_existing_store(*with_secrets(cfg.store, cfg.store_password_file, cfg.user_key_file))
    try:
        events = store.export()
    finally:
        store.close()
    found = events_to_interactions(events, cfg.attribution_hours * 3600)
    try:
        write_parquet(out, found)
    except OSError as error:
        raise StorageError(f"{out}: {error.strerror}") from error
    say(f"{len(events):,} events, {len(found):,} interactions of {found['user_id'].n_unique():,} users: {out}", stderr=False)
    return found
