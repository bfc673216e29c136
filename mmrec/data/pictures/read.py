"""Read the raw bytes of the items' pictures from their store."""

from collections.abc import Sequence
from typing import overload

import polars as pl

from mmrec.files.store import Store, ask_all, open_pictures
from mmrec.types import ITEM_ID, Dataset, UnusableInput


def read_pictures(dataset: Dataset, item_ids: Sequence[str] | pl.Series) -> tuple[Sequence[bytes | None], list[UnusableInput]]:
    """The raw bytes of each item's picture, in the order of `item_ids`, read from the store at each access.

    Returns:
        A sequence whose elements are None for items without a picture and for unusable ones; and the unusable ones: names that the store
        does not have or may not return. Accessing an element raises ValueError if the file has been removed or changed its type since, and
        StorageError if the store cannot be reached.
    """
    if dataset.image_column is None:
        return [None] * len(item_ids), []
    named = dict(dataset.items.select(ITEM_ID, pl.col(dataset.image_column).cast(pl.String)).iter_rows())
    names = [named.get(item_id) or None for item_id in item_ids]
    store = open_pictures(dataset.root, dataset.pictures)

    def refused(position: int) -> str:
        try:
            if (name := names[position]) is not None:
                store.check(name)
        except ValueError as error:
            return str(error)
        return ""

    reasons = list(ask_all(refused, len(names), store.is_remote))
    problems = [UnusableInput(position, reason) for position, reason in enumerate(reasons) if reason]
    return _Files(store, [None if reason else name for name, reason in zip(names, reasons, strict=True)]), problems


class _Files(Sequence[bytes | None]):
    """Files of a store as a sequence of bytes, read at each access."""

    def __init__(self, store: Store, names: list[str | None]) -> None:
        self.store, self.names = store, names

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, position: int) -> bytes | None: ...

    @overload
    def __getitem__(self, position: slice) -> "_Files": ...

    def __getitem__(self, position: int | slice) -> "bytes | _Files | None":
        if isinstance(position, slice):
            return _Files(self.store, self.names[position])
        name = self.names[position]
        return None if name is None else self.store.read(name)
