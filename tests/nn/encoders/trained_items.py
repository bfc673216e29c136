"""The smallest model that trains encoders: an item is the sum of what its encoders make of its inputs in the step."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.recommender import FrozenScorer, GradientRecommender, TrainScores
from mmrec.models.scores import BatchVectors
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.types import DatasetSpec

DIM = 6


class EncodedItems(GradientRecommender):
    """A table of users, and items whose vectors are projections of what trained encoders give."""

    parts_taken = ("encoders",)

    def __init__(self, spec: DatasetSpec, encoders: Mapping[str, PretrainedEncoder]) -> None:
        super().__init__(spec)
        self.inputs, self.n_items = spec.item_inputs, spec.n_items
        self.encoders = nn.ModuleDict(encoders)
        self.users = nn.Embedding(spec.n_users, DIM)
        self.projections = nn.ModuleDict({name: nn.LazyLinear(DIM) for name in encoders})
        with torch.no_grad():
            self.encode(torch.arange(2))  # gives the projections their sizes

    def encode(self, item_idx: Tensor) -> Tensor:
        """Vectors of these items; those without an input of any kind are zero."""
        items = torch.zeros(len(item_idx), DIM)
        for name, encoder in self.encoders.items():
            places = self.inputs[name].present[item_idx].nonzero().squeeze(1)
            if len(places):
                items = items.index_add(0, places, self.projections[name](encoder(self.inputs[name].take(item_idx[places]))))
        return items

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        distinct, place = torch.cat([batch.item_idx, batch.negatives.flatten()]).unique(return_inverse=True)
        items = self.encode(distinct)
        positives, negatives = place[: len(batch.item_idx)], place[len(batch.item_idx) :].view_as(batch.negatives)
        vectors = BatchVectors(self.users(batch.user_idx), items[positives], items[negatives])
        return TrainScores(*vectors.scores(batch.row), items.new_zeros(()))

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        self.eval()
        return self.freeze_vectors(self.users.weight, self.encode(torch.arange(self.n_items)))
