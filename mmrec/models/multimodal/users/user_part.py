"""The part of a user's vector that comes from a text about them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.nn.look_up import rows_of
from mmrec.nn.user_texts import UserTextVectors
from mmrec.types import TEXT, DatasetSpec, UserTexts


class UserPart(nn.Module):
    """A linear projection of the text about a user, to be multiplied with the normalised vectors of items; zero without a text.

    It is zero before training.

    Args:
        spec: the training data.
        texts: its texts about users.
        embedding_dim: the size of item vectors.
        dropout: the fraction of the numbers of a text's vector that is hidden in training.
    """

    def __init__(self, spec: DatasetSpec, texts: UserTexts, embedding_dim: int, dropout: float) -> None:
        super().__init__()
        dim, items = texts.features.values.shape[1], spec.features.get(TEXT)
        alike = items if items is not None and items.values.shape[1] == dim else None  # otherwise vectors made elsewhere
        self.vectors = UserTextVectors(texts, alike, spec.n_items)
        self.dropout, self.projection = nn.Dropout(dropout), nn.Linear(dim, embedding_dim)
        nn.init.zeros_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def scores(
        self, batch: TrainBatch, items: Float[Tensor, "n_items dim"], texts: Float[Tensor, "rows text_dim"] | None
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "users pool"]]:
        """What is added to the scores of the positives and negatives of a training batch.

        Positives are scored by the text without their fold, negatives by the mean of the projections of all these texts.

        Args:
            batch: the batch.
            items: the vectors of its distinct items, or of all.
            texts: the vectors of `UserTextVectors.folds` of the batch's users by an encoder that is trained. None: the frozen ones.
        """
        vectors, numbered = self.vectors, batch.renumbered()
        rows = vectors.folds(batch.user_idx).flatten()
        projected = self.projection(self.dropout(vectors(rows) if texts is None else texts)).float()
        projected = torch.where(rows_of(vectors.present, rows)[:, None], projected, 0.0)
        row = batch.row * vectors.n_folds + vectors.fold_of(batch.user_idx[batch.row], batch.item_idx)
        directions = F.normalize(items.float(), dim=1)
        positive = (rows_of(projected, row) * rows_of(directions, numbered.item_idx)).sum(dim=1)
        users, negatives = projected.view(len(batch.user_idx), vectors.n_folds, -1).mean(dim=1), F.embedding(numbered.negatives, directions)
        return positive, users @ negatives.T if negatives.ndim == 2 else torch.einsum("bd,bnd->bn", users, negatives)

    def of_users(self, texts: Float[Tensor, "n_users text_dim"] | None) -> Float[Tensor, "n_users dim"]:
        """The projections of the users' whole texts, by vectors of an encoder that is trained, or the frozen ones."""
        vectors = self.vectors
        whole = vectors.of_users() if texts is None else vectors.centred(texts, None)
        return torch.where(vectors.has_text[:, None], self.projection(whole).float(), 0.0)
