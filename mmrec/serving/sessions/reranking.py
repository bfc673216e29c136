"""Rerank lists of the service: methods by name, and the candidates of one list."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError, nearest
from mmrec.rerank.calibrated import Calibrated
from mmrec.rerank.capped import Capped
from mmrec.rerank.chain import rerank_lists
from mmrec.rerank.dpp import DPP
from mmrec.rerank.mmr import MMR
from mmrec.rerank.reranker import Reranker
from mmrec.rerank.xquad import XQuAD
from mmrec.serving.model.served import Found
from mmrec.serving.refusal import CANNOT_ANSWER, INVALID, Refused
from mmrec.serving.sessions.served_items import ServedItems

MAX_METHODS = 5
Chosen = tuple[Float[Tensor, " n_chosen"], Int64[Tensor, " n_chosen"]]
"""Scores and item_idx of a list, which may be shorter than that of the candidates."""
METHODS: dict[str, Callable[[str | None], Reranker]] = {
    "mmr": lambda by: MMR() if by is None else MMR(similarity=by),
    "dpp": lambda by: DPP() if by is None else DPP(similarity=by),
    "calibrated": lambda by: Calibrated() if by is None else Calibrated(column=by),
    "xquad": lambda by: XQuAD() if by is None else XQuAD(column=by),
    "capped": lambda by: Capped() if by is None else Capped(column=by),
}
"""By name, a method that compares items by a similarity or a column, or by its default."""


def parse_rerankers(names: Sequence[str]) -> tuple[Reranker, ...]:
    """Return methods written as `dpp` or `calibrated:genre`, several of them also in one text, `mmr,capped:brand`.

    Raises:
        Refused: there is no such method, or there are more than `MAX_METHODS`.
    """
    found, words = list[Reranker](), [part for name in names for part in name.split(",")]
    if len(words) > MAX_METHODS:
        raise Refused(INVALID, f"rerank: expected at most {MAX_METHODS} methods, found {len(words)}")
    for word in words:
        name, _, by = word.strip().partition(":")
        if name not in METHODS:
            raise Refused(INVALID, f"rerank: there is no method `{name}`; {nearest(name, METHODS)}")
        found.append(METHODS[name](by or None))
    return tuple(found)


def rerank_found(methods: Sequence[Reranker], found: Found, history: Sequence[int], items: ServedItems, k: int) -> Chosen:
    """Rerank a list that is given best first; the items keep their scores.

    Args:
        methods: each takes the list of the one before.
        found: scores and item_idx of the candidates.
        history: the items of the person.
        items: the items of the model.
        k: the length of the list.

    Raises:
        Refused: the items lack what a method needs.
    """
    scores, item_idx = found
    if not len(item_idx):
        return found
    owned = torch.tensor([idx for idx in history if idx < len(items.model.catalogue)], dtype=torch.int64)
    known = InteractionMatrix.from_pairs(torch.zeros_like(owned), owned, 1, len(items.model.catalogue))
    try:
        chosen: Int64[Tensor, " k"] = rerank_lists(methods, item_idx[None], scores[None], known, items, min(k, len(item_idx)))[0]
    except ConfigError as error:
        raise Refused(CANNOT_ANSWER if items.model.restored is None else INVALID, str(error)) from error
    chosen = chosen[chosen >= 0]
    place = {int(idx): at for at, idx in enumerate(item_idx.tolist())}
    return scores[torch.tensor([place[int(idx)] for idx in chosen.tolist()], dtype=torch.int64)], chosen


def n_candidates(methods: Sequence[Reranker], k: int) -> int:
    """Return how many items methods choose from."""
    return max(k, methods[0].candidates)
