"""The search task: find the items that people clicked after a query."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.loader import StepBatches
from mmrec.data.batches.search_batches import SearchBatches
from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import sampled_softmax
from mmrec.metrics.direction import Metric
from mmrec.metrics.full_ranking import Evaluated, Ranking, evaluate_ranking, top_k
from mmrec.models.recommender import Recommender
from mmrec.models.search.fused_search import CONSTANT, FusedSearch
from mmrec.models.search.rank_fusion import fuse_ranks, rank_items
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.models.search.search_model import MATCHES
from mmrec.tasks.parameter_groups import Rates
from mmrec.tasks.ranking import KS, Loss, measure_lists, metrics_at
from mmrec.tasks.task import GROUPS, Task, Validated
from mmrec.types import Scorer

_OPTIMIZER = partial(torch.optim.AdamW, lr=0.001, weight_decay=0.01)
_LOSS = partial(sampled_softmax, temperature=0.07)
_WEIGHTS, _CONSTANTS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8), (10.0, CONSTANT)
_PERSON_WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""What validation tries for the fusion of ranks, and for the scores of who asks."""
_MAX_SCORES, _LEAST_QUERIES, _CHUNK = 2**24, 500, 256
"""The number of scores in the validation of an epoch beyond which a sample of the queries is used, and the least size of that."""


class SearchTask(Task):
    """Contrasts the items that were clicked after a query with the others (InfoNCE), and ranks the whole catalogue for new queries.

    Queries take the place of users, and nothing is left out of their rankings. Validation also chooses, by ndcg at the smallest cutoff, the
    weight and the constant of reciprocal rank fusion with BM25, of a `SearchFusion`.

    Args:
        model: the model to train.
        loss: one of `mmrec.losses`.
        optimizer: creates the optimizer from parameter groups.
        embedding_lr: the learning rate of embedding tables.
        ks: the cutoffs of metrics.
        seed: of training.
        groups: optimizer settings by role of parameters, see `mmrec.tasks.parameter_groups`.
        hybrid: whether the ranking is fused with that of BM25.
    """

    takes_loss: ClassVar[bool] = True
    predicts: ClassVar[str] = MATCHES
    shown: ClassVar[str] = "ndcg"

    def __init__(
        self,
        model: Recommender,
        loss: Loss = _LOSS,
        optimizer: Callable[..., torch.optim.Optimizer] = _OPTIMIZER,
        embedding_lr: float = 0.005,
        ks: list[int] = KS,
        seed: int = 0,
        groups: Rates = GROUPS,
        hybrid: bool = True,
    ) -> None:
        super().__init__(model, optimizer, embedding_lr, groups, seed)
        self.loss, self.ks, self.hybrid = loss, ks, hybrid

    @classmethod
    def metrics(cls, settings: Mapping[str, Any]) -> tuple[Metric, ...]:
        """Return every ranking metric at every cutoff, starting with ndcg at the smallest one."""
        return metrics_at(settings["ks"], min)

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> StepBatches:
        batches = TrainBatches(train.matrix, settings.batch_size, settings.n_negatives, True, settings.seed, *place)
        hard = self.model.hard_negatives if isinstance(self.model, SearchFusion) else torch.zeros((train.n_users, 0), dtype=torch.int64)
        return SearchBatches(batches, hard)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationSet:
        """Return the queries of the held-out part; what was clicked after the same query before stays in their rankings."""
        none = torch.zeros(0, dtype=torch.int64)
        return EvaluationSet.build(InteractionMatrix.from_pairs(none, none, held_out.n_users, held_out.n_items), held_out.matrix)

    def loss_of(self, batch: Any, generator: torch.Generator) -> Float[Tensor, ""]:
        if not isinstance(self.model, SearchFusion):
            raise TypeError(f"model: expected one that learns by gradient, found {type(self.model).__name__}")
        scores = self.model.score_batch(batch, generator)
        return self.loss(scores.positive, batch.row, scores.negative, batch.valid) + scores.extra

    def validate(self, rows: EvaluationSet) -> Validated:
        rows = rows.subsampled(max(_MAX_SCORES, _LEAST_QUERIES * rows.seen.n_items))
        model = self.model
        if not isinstance(model, SearchFusion):
            return self.validated(self.measure(model.freeze(), rows))
        frozen = model.freeze()
        self.refuse_divergence(frozen.items, frozen.table)
        name = f"ndcg@{min(self.ks)}"
        frozen.person_weight.fill_(self._person_weight(frozen, rows, name) if model.is_personal else 0.0)
        best: tuple[Validated, float, float] | None = None
        found = self._fusions(frozen, rows)
        for (weight, constant), ranking in found.items():
            measured = self.validated(Evaluated(None, evaluate_ranking(ranking, rows.positives, self.ks)))
            if best is None or measured.means[name] > best[0].means[name]:
                best = measured, weight, constant
        assert best is not None  # there are weights
        chosen, person_weight = torch.tensor(best[1:]), float(frozen.person_weight)
        return Validated(best[0].means, lambda: _adopt(model, chosen, person_weight))

    def _person_weight(self, frozen: FusedSearch, rows: EvaluationSet, name: str) -> float:
        """The weight of the scores of who asks that gives the best ranking without BM25."""
        k, user_idx = min(max(self.ks), rows.seen.n_items), rows.user_idx.cpu()
        lists: dict[float, list[tuple[Tensor, Tensor]]] = {weight: [] for weight in _PERSON_WEIGHTS}
        for some in user_idx.split(_CHUNK):
            dense = frozen.score_dense([frozen.query_texts[idx] for idx in some.tolist()], frozen.query_vectors[some])
            of_people = frozen.score_people(frozen.query_person[some])
            for weight, parts in lists.items():
                parts.append(top_k(dense + weight * of_people, k))
        value = {}
        for weight, parts in lists.items():
            evaluated = Evaluated(None, evaluate_ranking(_ranking(user_idx, k, parts), rows.positives, self.ks))
            value[weight] = self.validated(evaluated).means[name]
        return max(value, key=lambda weight: value[weight])

    def _fusions(self, frozen: FusedSearch, rows: EvaluationSet) -> dict[tuple[float, float], Ranking]:
        """The rankings of the queries, by the weight and the constant of rank fusion."""
        fused = [(weight, constant) for constant in _CONSTANTS for weight in _WEIGHTS] if self.hybrid else []
        tried = [(0.0, CONSTANT), *fused]
        k, user_idx = min(max(self.ks), rows.seen.n_items), rows.user_idx.cpu()
        parts: dict[tuple[float, float], list[tuple[Tensor, Tensor]]] = {one: [] for one in tried}
        for some in user_idx.split(_CHUNK):
            texts = [frozen.query_texts[idx] for idx in some.tolist()]
            dense, words = frozen.score_dense(texts, frozen.query_vectors[some]), frozen.score_words(texts)
            if float(frozen.person_weight) > 0:
                dense = dense + frozen.person_weight * frozen.score_people(frozen.query_person[some])
            ranks = rank_items(dense), rank_items(words), words > 0
            for one in tried:
                parts[one].append(top_k(fuse_ranks(*ranks, *one), k))
        return {one: _ranking(user_idx, k, lists) for one, lists in parts.items()}

    def measure(self, scorer: Scorer, rows: EvaluationSet) -> Evaluated:
        """Return lists of `LIST_LENGTH` or the largest cutoff, and their metrics."""
        return measure_lists(scorer, rows, self.ks)


def _ranking(user_idx: Int64[Tensor, " n"], k: int, lists: Sequence[tuple[Tensor, Tensor]]) -> Ranking:
    """The ranking of queries from the scores and the items of their lists of k, chunk by chunk."""
    empty = torch.zeros(0, k)
    values, items = [empty, *(values for values, _ in lists)], [empty.long(), *(items for _, items in lists)]
    return Ranking(user_idx, torch.cat(items), torch.cat(values))


def _adopt(model: SearchFusion, chosen: Float[Tensor, " 2"], person_weight: float) -> None:
    model.mixture.copy_(chosen)
    model.person_weight.fill_(person_weight)
