"""A minimal training loop on the CPU with a fixed number of epochs, used for baselines and tests."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.batches.train_batches import PairBatches, TrainBatches
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import interaction_matrix, popular_for_new, put_last
from mmrec.models.recommender import EpochRecommender, FrozenScorer, GradientRecommender, TrainedScorer
from mmrec.types import DatasetSpec

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class PlainTraining:
    """Minimises a ranking loss, plus the model's additional loss, with Adam at a constant learning rate.

    Nothing is selected on the validation part: `n_epochs` is a hyperparameter. Equal seeds give equal models, and torch's global generator
    is restored.

    Args:
        model: creates the model from `spec`.
        loss: one of `mmrec.losses`.
        batch_of: `users`: a batch contains users with all of their positives and shared negatives; `interactions`: single interactions with
            negatives of their own.
        batch_size: users or interactions per batch.
        n_negatives: negatives per batch of users, or per interaction.
        learning_rate: of Adam.
        n_epochs: the number of epochs.
        seed: of initialisation, shuffling, sampling and dropout.
    """

    def __init__(
        self,
        model: Callable[..., GradientRecommender],
        loss: Loss,
        batch_of: str = "interactions",
        batch_size: int = 2048,
        n_negatives: int = 1,
        learning_rate: float = 0.005,
        n_epochs: int = 50,
        seed: int = 0,
    ) -> None:
        if batch_of not in ("users", "interactions"):
            raise ValueError(f"batch_of: expected users or interactions, found {batch_of}")
        self.model, self.loss, self.batch_of, self.batch_size, self.n_negatives = model, loss, batch_of, batch_size, n_negatives
        self.learning_rate, self.n_epochs, self.seed = learning_rate, n_epochs, seed

    def fit(self, spec: DatasetSpec) -> "PopularForNew":
        """Train the model, and return it as a scorer. Raises LackingData as the model's constructor does."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = self.train(spec)
            return PopularForNew(model.freeze(), interaction_matrix(spec), model.ranks_new_items)

    def train(self, spec: DatasetSpec) -> GradientRecommender:
        """Train and return the model, initialised from torch's global generator, which also drives dropout."""
        model = self.model(spec=spec)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        epoch, step = 0, 0
        batches = self._batches(interaction_matrix(spec), lambda: epoch)
        for epoch in range(self.n_epochs if len(batches) else 0):
            if isinstance(model, EpochRecommender):
                model.start_epoch(torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + epoch))
            for batch in batches:
                optimizer.zero_grad()
                scores = model.score_batch(batch, torch.Generator().manual_seed((self.seed + 1) * 1_000_003 + step))
                row = batch.row[: len(scores.positive)]  # empty if the model learns without negatives
                (self.loss(scores.positive, row, scores.negative, batch.valid) + scores.extra).backward()
                optimizer.step()
                step += 1
        return model

    def _batches(self, owned: InteractionMatrix, epoch: Callable[[], int]) -> PairBatches | TrainBatches:
        if self.batch_of == "users":
            return TrainBatches(owned, self.batch_size, self.n_negatives, shared=True, seed=self.seed, epoch=epoch)
        return PairBatches(owned, self.batch_size, self.n_negatives, seed=self.seed, epoch=epoch, skip_saturated=True)


class PopularForNew(TrainedScorer):
    """Wraps a scorer: users without history get popular items, and new items are ranked last.

    The latter does not apply to scorers that rank new items (`ranks_new_items`).
    """

    def __init__(self, scorer: TrainedScorer, train: InteractionMatrix, ranks_new_items: bool = False) -> None:
        self.scorer, self.train, self.ranks_new_items = scorer, train, ranks_new_items

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._adjusted(self.scorer.score_users(user_idx), self.train.degree[user_idx])

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        return self._adjusted(self.scorer.score_histories(histories), histories.n_events)

    def vectors(self) -> FrozenScorer | None:
        return None

    def _adjusted(self, scores: Float[Tensor, "batch n_items"], n_events: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        if not self.ranks_new_items:
            scores = put_last(scores, self.train.item_degree == 0)
        return popular_for_new(scores, n_events == 0, self.train)
