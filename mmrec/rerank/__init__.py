"""Rerank the best candidates of users: lists that are diverse, calibrated to a user's taste, or that repeat no group too often.

    run.recommend(["42"], k=10, rerank=mmrec.rerank.DPP(trade_off=0.3, similarity="text"))

Every method has a pure function over tensors, named in its file, and a class that holds its settings.
"""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.rerank.calibrated import Calibrated as Calibrated
    from mmrec.rerank.capped import Capped as Capped
    from mmrec.rerank.chain import Reranking as Reranking
    from mmrec.rerank.chain import rerank_scores as rerank_scores
    from mmrec.rerank.dpp import DPP as DPP
    from mmrec.rerank.item_categories import ItemCategories as ItemCategories
    from mmrec.rerank.mmr import MMR as MMR
    from mmrec.rerank.reranker import ItemContent as ItemContent
    from mmrec.rerank.reranker import Pool as Pool
    from mmrec.rerank.reranker import Reranker as Reranker
    from mmrec.rerank.xquad import XQuAD as XQuAD

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        ".calibrated": "Calibrated",
        ".capped": "Capped",
        ".chain": "Reranking rerank_scores",
        ".dpp": "DPP",
        ".item_categories": "ItemCategories",
        ".mmr": "MMR",
        ".reranker": "ItemContent Pool Reranker",
        ".xquad": "XQuAD",
    },
)
