"""What logistic regression, factorisation machines and DeepFM have in common: fields of an impression, and their training."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.models.click.predictor import CLICKS, ClickPredictor, clicked_of, labelled_rows, place_of, positions_of
from mmrec.models.content.content_matrix import read_content
from mmrec.models.rating.low_rank import principal_components
from mmrec.models.recommender import ClosedFormRecommender, LackingData
from mmrec.nn.heads.click import Calibration, ClickHead
from mmrec.types import DatasetSpec, Interactions

Parameters = dict[str, Tensor]
_MAX_PAIRS = 2**18
"""The number of user-item pairs that are scored at a time."""


class Fields(NamedTuple):
    """The fields of impressions: a user, an item, the item's content and a position."""

    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    content: Float[Tensor, "n n_components"]
    place: Int64[Tensor, " n"]
    """The index of the position among those of training, from 1; 0 for missing ones."""


class FieldSizes(NamedTuple):
    """The numbers of values of the fields."""

    user: int
    item: int
    content: int
    """The number of components."""
    place: int


class FieldModel(ClosedFormRecommender, ClickPredictor):
    """The base class of models that predict clicks from the fields user, item, content of the item and position.

    The content is reduced to principal components. Minimises the log loss plus `regularization` times the mean squared length of the
    parameters that predict a row, by Adam on batches; see `mmrec.models.click.factorization_machine` for the kinds.

    Args:
        regularization: of the parameters of users, items and positions.
        learning_rate: of Adam.
        n_epochs: the number of passes over the impressions.
        batch_size: impressions per step.
        n_components: the principal components of content; 0: none is used.
        seed: of initialisation and order.
    """

    predicts: ClassVar[str] = CLICKS
    content: Float[Tensor, "n_items n_components"]
    positions: Int64[Tensor, " n_positions"]
    calibration: Float[Tensor, " 2"]

    def __init__(self, regularization: float, learning_rate: float, n_epochs: int, batch_size: int, n_components: int, seed: int) -> None:
        super().__init__()
        if n_epochs < 1 or batch_size < 1:
            raise ValueError(f"n_epochs, batch_size: expected at least 1, found {n_epochs} and {batch_size}")
        if regularization < 0 or n_components < 0 or learning_rate <= 0:
            raise ValueError(
                "regularization, n_components: expected at least 0, learning_rate: more than 0, "
                f"found {regularization}, {n_components} and {learning_rate}"
            )
        self.regularization, self.learning_rate, self.n_epochs = regularization, learning_rate, n_epochs
        self.batch_size, self.n_components, self.seed = batch_size, n_components, seed

    @abstractmethod
    def initial(self, sizes: FieldSizes) -> Parameters:
        """Return the initial parameters by name, drawn from torch's global generator; first axes of users, items and places are rows."""

    @abstractmethod
    def forward_fields(self, parameters: Parameters, fields: Fields) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        """Return the logits of some impressions, and the mean squared length of what is regularized."""

    def prepare(self, spec: DatasetSpec) -> Float[Tensor, "n_items n_components"]:
        """Compute the components of the items' content, which fits with all settings share."""
        none = torch.zeros(spec.n_items, 0)
        if not self.n_components:
            return none
        try:
            return principal_components(torch.from_numpy(read_content(spec).dense()).double(), self.n_components).float()
        except LackingData:
            return none

    def is_whole(self, prepared: Float[Tensor, "n_items n_components"]) -> bool:
        """Return True: `fit_prepared` learns from all data."""
        return True

    def fit(self, spec: DatasetSpec) -> Self:
        return self.fit_prepared(spec, self.prepare(spec))

    def fit_prepared(self, spec: DatasetSpec, prepared: Float[Tensor, "n_items n_components"]) -> Self:
        """As `fit`, given the result of `prepare`."""
        rows = labelled_rows(spec.train)
        self.remember_interactions(spec)
        self.remember(content=prepared, positions=positions_of(rows), calibration=torch.tensor(Calibration()))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            parameters = self._train(rows, spec)
        self.remember(**{name: values.detach() for name, values in parameters.items()})
        return self

    def _train(self, rows: Interactions, spec: DatasetSpec) -> Parameters:
        parameters = self.initial(FieldSizes(spec.n_users, spec.n_items, self.content.shape[1], len(self.positions) + 1))
        for name, idx, n in (("user", rows.user_idx, spec.n_users), ("item", rows.item_idx, spec.n_items)):
            known = torch.bincount(idx, minlength=n) > 0
            for key, values in parameters.items():
                if key.startswith(f"{name}_"):
                    values *= known.reshape(-1, *[1] * (values.ndim - 1))  # those that are never trained stay 0
        for values in parameters.values():
            values.requires_grad_()
        parameters["mean"].data.fill_(float(torch.logit(clicked_of(rows).float().mean())))
        optimizer = torch.optim.Adam(parameters.values(), lr=self.learning_rate)
        fields, target = self.fields_of(rows), clicked_of(rows).float()
        for _ in range(self.n_epochs):
            for batch in torch.randperm(len(rows)).split(self.batch_size):
                logits, size = self.forward_fields(parameters, Fields(*(column[batch] for column in fields)))
                optimizer.zero_grad()
                (F.binary_cross_entropy_with_logits(logits, target[batch]) + self.regularization * size).backward()
                optimizer.step()
        return parameters

    def fields_of(self, rows: Interactions) -> Fields:
        """Return the fields of impressions."""
        return self._fields(rows.user_idx, rows.item_idx, place_of(rows, self.positions))

    def _fields(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"], place: Int64[Tensor, " n"]) -> Fields:
        return Fields(user_idx, item_idx, self.content.index_select(0, item_idx), place)

    def _parameters_now(self) -> Parameters:
        others = {"indptr", "indices", "n_items", "content", "positions", "calibration"}
        return {name: values for name, values in self.named_buffers() if name not in others}

    @property
    def head(self) -> ClickHead:
        return ClickHead(self.positions[:0]).with_calibration(Calibration(*self.calibration.tolist()))

    @torch.no_grad()
    def logits(self, rows: Interactions) -> Float[Tensor, " n"]:
        parameters = self._parameters_now()
        parts = torch.arange(len(rows)).split(_MAX_PAIRS)
        found = [self.forward_fields(parameters, self.fields_of(rows.take(part)))[0] for part in parts]
        return torch.cat([torch.zeros(0), *found])

    @torch.no_grad()
    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        """Return the logits of all items at the first position."""
        n_items, first = len(self.content), int(len(self.positions) > 0)
        items, parameters = torch.arange(n_items), self._parameters_now()
        scores = torch.zeros(len(user_idx), n_items)
        for rows in torch.arange(len(user_idx)).split(max(1, _MAX_PAIRS // n_items)):
            users = user_idx[rows].repeat_interleave(n_items)
            fields = self._fields(users, items.repeat(len(rows)), torch.full_like(users, first))
            scores[rows] = self.forward_fields(parameters, fields)[0].reshape(len(rows), n_items)
        return scores

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        raise ConfigError(f"{type(self).__name__} only scores users of its training data, and cannot score users given as histories")

    def with_calibration(self, calibration: Calibration) -> Self:
        self.remember(calibration=torch.tensor(calibration))
        return self
