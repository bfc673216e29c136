"""Ridge fold-in: a user's ratings regressed on what their items show."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.models.content.content_matrix import read_content
from mmrec.models.rating.low_rank import principal_components
from mmrec.models.rating.mean_rating import biases
from mmrec.models.rating.predictor import RatingFactors, rated_values
from mmrec.models.rating.ridge_rows import Cells, ridge_rows
from mmrec.types import DatasetSpec, Interactions


class RidgeFoldIn(RatingFactors):
    """Predicts `μ + b_i + a_u + w_u·x_i`: each user's deviations from the items' means, regressed on the content x of the items they rated.

    `x` are the leading principal components of all content (`mmrec.models.content.content_matrix`). A user's weights need nothing but their
    own ratings, so that a new user is folded in by one small regression.

    Args:
        sources: the kinds of content; None: all that the data have.
        n_components: the number of principal components.
        regularization: of the weights w.
        damping: of the deviations of items, as in `MeanRating`.
    """

    def __init__(
        self, sources: Sequence[str] | None = None, n_components: int = 32, regularization: float = 5.0, damping: float = 5.0
    ) -> None:
        super().__init__()
        if n_components < 1 or regularization <= 0:
            raise ValueError(f"n_components, regularization: expected more than 0, found {n_components} and {regularization}")
        self.sources, self.n_components, self.regularization, self.damping = sources, n_components, regularization, damping

    def factors(self, rated: Interactions, spec: DatasetSpec) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        components = principal_components(torch.from_numpy(read_content(spec, self.sources).dense()).double(), self.n_components)
        mean, of_users, of_items = biases(rated, spec, self.damping)
        cells = Cells.build(rated.user_idx, rated.item_idx, rated_values(rated).double() - mean, (spec.n_users, spec.n_items))
        left = cells.values - of_items[cells.column] - of_users[cells.row]
        penalty = torch.full((spec.n_users,), self.regularization, dtype=torch.float64)
        weights = ridge_rows(cells, components, left, penalty)
        users = torch.cat([weights, (mean + of_users)[:, None], torch.ones(spec.n_users, 1)], dim=1)
        return users, torch.cat([F.pad(components, (0, 1), value=1.0), of_items[:, None]], dim=1)
