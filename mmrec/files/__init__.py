"""Bytes, safely: atomic writes, downloads, stores and checkpoints on disk."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.files.checkpoint import read_checkpoint as read_checkpoint
    from mmrec.files.checkpoint import write_checkpoint as write_checkpoint
    from mmrec.files.locate import cache_folder as cache_folder
    from mmrec.files.locate import user_path as user_path
    from mmrec.files.storage import read_json as read_json
    from mmrec.files.storage import write_json as write_json
    from mmrec.files.storage import write_parquet as write_parquet
    from mmrec.files.storage import write_text as write_text
    from mmrec.files.store import Store as Store
    from mmrec.files.store import open_store as open_store

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".checkpoint": "read_checkpoint write_checkpoint",
        ".locate": "cache_folder user_path",
        ".storage": "read_json write_json write_parquet write_text",
        ".store": "Store open_store",
    },
)
