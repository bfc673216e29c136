"""The vectors of texts about users as a module: which of a user's texts may be an input when an item is to be predicted."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.item_features import centre_and_scale
from mmrec.nn.look_up import rows_of
from mmrec.types import Features, UserTexts


class UserTextVectors(nn.Module):
    """The vectors of all rows of `UserTexts`, scaled as those of the items and centred; zero where there is no text.

    The centre is the mean of the users' whole texts, since texts about users resemble each other more than those of items. In training, an
    item is predicted from the text without the items of its fold, in which it is not named. Not part of checkpoints.

    Args:
        texts: the texts.
        items: the features of the items' texts by the same encoder. None: the scale is that of the users' texts.
        n_items: the number of items.
    """

    values: Float[Tensor, "n_rows dim"]
    present: Bool[Tensor, " n_rows"]
    centre: Float[Tensor, " dim"]
    pairs: Int64[Tensor, " n_pairs"]
    fold: Int64[Tensor, " n_pairs"]

    def __init__(self, texts: UserTexts, items: Features | None, n_items: int) -> None:
        super().__init__()
        found = texts.features
        self.n_folds, self.n_items, self.n_users = texts.n_folds, n_items, len(found.present) // (1 + texts.n_folds)
        centre, scale = centre_and_scale(*((found.values, found.present) if items is None else (items.values, items.present)))
        scaled = (found.values - centre) / scale
        whole = scaled[: self.n_users][found.present[: self.n_users]]
        self.register_buffer("present", found.present, persistent=False)
        self.register_buffer("centre", whole.mean(dim=0) if len(whole) else torch.zeros_like(centre), persistent=False)
        self.register_buffer("values", self.centred(scaled, None), persistent=False)
        self.register_buffer("pairs", texts.pairs, persistent=False)
        self.register_buffer("fold", texts.fold, persistent=False)

    @property
    def has_text(self) -> Bool[Tensor, " n_users"]:
        """Whether each user has a text."""
        return self.present[: self.n_users]

    def of_users(self) -> Float[Tensor, "n_users dim"]:
        """The vectors of the users' whole texts, for scoring."""
        return self.values[: self.n_users]

    def folds(self, user_idx: Int64[Tensor, " users"]) -> Int64[Tensor, "users n_folds"]:
        """The rows of all texts of users that leave out a fold."""
        return user_idx[:, None] + self.n_users * torch.arange(1, 1 + self.n_folds, device=user_idx.device)

    def fold_of(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The fold of each training interaction, whose text does not name the item."""
        return self.fold[torch.searchsorted(self.pairs, user_idx * self.n_items + item_idx)]

    def centred(self, scaled: Float[Tensor, "n dim"], rows: Int64[Tensor, " n"] | None) -> Float[Tensor, "n dim"]:
        """Centre vectors of rows, or of the first n, that are scaled as those of the items, and mask absent ones."""
        present = self.present[: len(scaled)] if rows is None else rows_of(self.present, rows)
        return torch.where(present[:, None], scaled - self.centre, 0.0)

    def forward(self, rows: Int64[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """The frozen vectors of rows."""
        return rows_of(self.values, rows)

    def encode(
        self,
        encoder: TunedEncoder,
        item_idx: Int64[Tensor, " items"] | None,
        rows: Int64[Tensor, " n"],
        trained: Bool[Tensor, " n_items"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, "items dim"], Float[Tensor, "n dim"]]:
        """The vectors of a training step by an encoder that is trained: of items and of users' texts, each of which is encoded once.

        Args:
            encoder: the encoder of both.
            item_idx: the distinct items, ascending. None: all.
            rows: the rows of users' texts, with repetitions.
            trained: the items with training interactions.
            generator: selects what is encoded.
        """
        distinct, place = torch.unique(rows, return_inverse=True)
        wanted = torch.cat([trained, torch.zeros_like(self.present).index_fill(0, distinct, True)])
        items = torch.arange(self.n_items, device=rows.device) if item_idx is None else item_idx
        vectors = encoder(torch.cat([items, self.n_items + distinct]), wanted, generator)
        return vectors[: len(items)], self.centred(rows_of(vectors[len(items) :], place), rows)
