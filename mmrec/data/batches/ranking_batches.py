"""Batches for ranking: positives and sampled negatives for training, the full catalogue for evaluation."""

from collections.abc import Sequence
from functools import reduce

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import PairBatches, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix


class RankingBatches:
    """A `BatchFactory` that treats every interaction as a positive, regardless of its rating."""

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> TrainBatches | PairBatches:
        """Return batches of users or of interactions, according to `settings.batch_of`."""
        size, n, seed = settings.batch_size, settings.n_negatives, settings.seed
        batches: TrainBatches | PairBatches
        if settings.batch_of == "interactions":
            batches = PairBatches(train.matrix, size, n, seed, *place)
        else:
            batches = TrainBatches(train.matrix, size, n, settings.shared_negatives, seed, *place)
        if train.candidates is not None:
            batches.draw_from(train.candidates)
        return batches

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationSet:
        """Return the users of the held-out part with the items of all earlier parts as seen."""
        return EvaluationSet.build(reduce(InteractionMatrix.union, (part.matrix for part in seen)), held_out.matrix)
