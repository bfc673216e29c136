"""Batches for learning to rank: positives and sampled negatives to train on, all items of a user to measure on."""

from collections.abc import Sequence
from functools import reduce

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.batches.train_batches import PairBatches, TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix


class RankingBatches:
    """A `BatchFactory` of which every interaction is a positive, whatever its rating."""

    def train_batches(self, train: SplitPart, settings: BatchSettings, place: Place) -> TrainBatches | PairBatches:
        """Return batches of users, or of interactions, as `settings.batch_of` says."""
        size, n, seed = settings.batch_size, settings.n_negatives, settings.seed
        if settings.batch_of == "interactions":
            return PairBatches(train.matrix, size, n, seed, *place)
        return TrainBatches(train.matrix, size, n, settings.shared_negatives, seed, *place)

    def evaluation_set(self, seen: Sequence[SplitPart], held_out: SplitPart) -> EvaluationSet:
        """Return the users of the held-out part, what they had before as seen."""
        return EvaluationSet.build(reduce(InteractionMatrix.union, (part.matrix for part in seen)), held_out.matrix)
