"""Indexes of item vectors: exact, and approximate for large catalogues."""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.serving.index.choice import choose_index as choose_index
    from mmrec.serving.index.exact import ExactIndex as ExactIndex
    from mmrec.serving.index.item_index import ItemIndex as ItemIndex
    from mmrec.serving.index.usearch_index import UsearchIndex as UsearchIndex

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {".choice": "choose_index", ".exact": "ExactIndex", ".item_index": "ItemIndex", ".usearch_index": "UsearchIndex"},
)
