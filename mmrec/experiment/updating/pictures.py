"""Copy the pictures of an updated run's items into its folder, named by their content."""

import hashlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

import polars as pl

from mmrec.data.pictures.urls import named_by_url
from mmrec.files.store import Store, open_pictures
from mmrec.types import ITEM_ID, Dataset, Hosts


def copy_pictures(joined: Dataset, before: Dataset, new: Dataset, described: Collection[str], folder: Path) -> Dataset:
    """Copy the pictures that the items of joined data name to `folder`, and return the data with the names of the copies.

    Pictures named by URL are not copied, and names of missing pictures stay as they are.

    Args:
        joined: the joined data.
        before: the data of the run, in whose store the pictures of most items are.
        new: the new data.
        described: the items whose pictures are those of the new data.
        folder: the folder of pictures, which is created if there are any.
    """
    columns = [raw.image_column for raw in joined.inputs.values() if raw.image_column is not None]
    hosts = Hosts(tuple(dict.fromkeys((*before.hosts.names, *new.hosts.names))), before.hosts.private or new.hosts.private)
    if not columns:
        return replace(joined, hosts=hosts)
    folder.mkdir(parents=True)
    stores = {False: open_pictures(before.root, before.pictures), True: open_pictures(new.root, new.pictures)}
    items, is_new = joined.items, set(described)
    for column in columns:
        names = zip(items[ITEM_ID], items[column].cast(pl.String), named_by_url(items, column), strict=True)
        copies = [name if is_url or not name else _copied(stores[item in is_new], name, folder) for item, name, is_url in names]
        items = items.with_columns(pl.Series(column, copies, dtype=pl.String))
    return replace(joined, items=items, root=folder.parent, pictures=str(folder), hosts=hosts)


def _copied(store: Store, name: str, folder: Path) -> str:
    """Copy a picture, and return the name of the copy; or the given name, if it cannot be read."""
    try:
        store.check(name)
        content = store.read(name)
    except ValueError:
        return name
    copy = f"{hashlib.sha256(content).hexdigest()[:40]}{PurePosixPath(name).suffix.lower()}"
    if not (folder / copy).exists():
        (folder / copy).write_bytes(content)
    return copy
