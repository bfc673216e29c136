"""Maximum-likelihood estimation of the half-lives of interests, with standard errors, from choices of users.

The utility of item `i` for a user who chooses at time `t` is

    V_i = b1 Σ_j w_j s_ij / Σ_j w_j + b2 mean_j s_ij + b3 mean_k s_ik + b4 log(popularity of i)

where j runs over the items of the user's earlier sessions, with similarity `s_ij` and weight `w_j = kernel(age_j / half-life)`, and k over
the items of the same session. The second term is an interest that does not decay, the third the theme of a session; both would otherwise
be mistaken for decay or its absence. The probability of a choice is the softmax over its choice set (conditional logit, McFadden 1974).
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from scipy.optimize import minimize_scalar
from scipy.stats import chi2
from torch import Tensor

from mmrec.models.time.choice_sets import ChoiceSets
from mmrec.nn.time.kernels import Kernel

_N_TERMS, _GRID = 4, 12
_NORMAL_95 = 1.959964
SIGNIFICANCE = 0.01
"""Decay is reported if the hypothesis that there is none is rejected at this level."""
_AT_BOUND = 0.02
"""An estimate within this fraction of the range of logarithms from its end is at the bound."""


class Bounds(NamedTuple):
    """The shortest and the longest half-life."""

    low: float
    high: float


class HalfLife(NamedTuple):
    """An estimated half-life with its 95% confidence interval."""

    group: str
    days: float
    low: float
    high: float
    error: float
    """The standard error of `days`, by the delta method from that of its logarithm."""
    p_value: float
    """Of the hypothesis that interests do not decay."""
    decays: bool
    """Whether the hypothesis is rejected, so that the half-life means something."""
    n_choices: int


class Estimate(NamedTuple):
    """The estimates of all classes of history items."""

    half_lives: list[HalfLife]
    coefficients: Float64[Tensor, " terms"]
    """`b1` to `b4`."""


class ChoiceModel:
    """The likelihood of choices.

    Args:
        sets: the choices.
        vectors: of items; the similarity of two items is their inner product.
        popularity: the number of interactions of each item.
        class_of_item: the class of each item that has a half-life of its own.
        kernel: of decay.
    """

    def __init__(
        self,
        sets: ChoiceSets,
        vectors: Float[Tensor, "n_items dim"],
        popularity: Int64[Tensor, " n_items"],
        class_of_item: Int64[Tensor, " n_items"],
        kernel: Kernel,
    ) -> None:
        self.sets, self.kernel = sets, kernel
        self.n_classes = int(class_of_item.max()) + 1 if len(class_of_item) else 1
        self.is_there: Bool[Tensor, "n length"] = sets.history >= 0
        self.age, self.kind = sets.age_days.double(), class_of_item[sets.history.clamp(min=0)]
        candidates = vectors[sets.candidates]
        self.similarity = torch.einsum("nld,ncd->nlc", vectors[sets.history.clamp(min=0)], candidates).double()
        is_same = (sets.same_session >= 0).double()
        same = torch.einsum("nkd,nk->nd", vectors[sets.same_session.clamp(min=0)], is_same.to(vectors.dtype))
        self.theme = torch.einsum("nd,ncd->nc", same, candidates).double() / is_same.sum(dim=1).clamp(min=1)[:, None]
        self.lasting = self._mean(self.is_there.double())
        self.popularity = popularity[sets.candidates].double().log1p()

    def utilities(self, weights: Float64[Tensor, "n length"], coefficients: Float64[Tensor, " terms"]) -> Float64[Tensor, "n candidates"]:
        """`V` of all candidates, -inf for unavailable ones."""
        b = coefficients
        value = b[0] * self._mean(weights) + b[1] * self.lasting + b[2] * self.theme + b[3] * self.popularity
        return value.masked_fill(~self.sets.available, -math.inf)

    def weights(self, log_days: Float64[Tensor, " classes"]) -> Float64[Tensor, "n length"]:
        """The weights of the history, which sum to 1."""
        log_weight = self.kernel(self.age / log_days.exp()[self.kind]).masked_fill(~self.is_there, -math.inf)
        return log_weight.softmax(dim=1)

    def log_likelihood(self, parameters: Float64[Tensor, " terms_and_classes"]) -> Float64[Tensor, " n"]:
        """The logarithm of the likelihood of each choice, given the coefficients and the logarithms of the half-lives."""
        coefficients, log_days = parameters[:_N_TERMS], parameters[_N_TERMS:]
        return self.utilities(self.weights(log_days), coefficients).log_softmax(dim=1)[:, 0]

    def fit_coefficients(self, log_days: Float64[Tensor, " classes"], is_decaying: bool = True) -> tuple[Tensor, float]:
        """The best coefficients for given half-lives, and the logarithm of the likelihood; the first one is 0 if not `is_decaying`."""
        with torch.no_grad():
            terms = torch.stack([self._mean(self.weights(log_days)), self.lasting, self.theme, self.popularity], dim=2)
        terms, found = terms if is_decaying else terms[:, :, 1:], torch.zeros(_N_TERMS, dtype=torch.float64)
        fitted, value = _fit_logit(terms, self.sets.available)
        found[_N_TERMS - len(fitted) :] = fitted
        return found, value

    def _mean(self, weights: Float64[Tensor, "n length"]) -> Float64[Tensor, "n candidates"]:
        return torch.einsum("nl,nlc->nc", weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-300), self.similarity)


def estimate_half_lives(model: ChoiceModel, bounds: Bounds, names: list[str]) -> Estimate:
    """Estimate the half-life of each class by maximum likelihood.

    Standard errors are those of the observed information with the variance of the scores of users (sandwich estimator), since the choices
    of one user are not independent. The half-lives are common to all classes at the start, the best of a grid.
    """
    low, high = math.log(bounds.low), math.log(bounds.high)
    found = _best_common(model, low, high)
    if model.n_classes > 1:
        found = _maximise(model, found, low, high)
    covariance, dispersion = _covariance(model, found)
    without = model.fit_coefficients(found[_N_TERMS:], is_decaying=False)[1]
    gain = 2 * (float(model.log_likelihood(found).sum()) - without) / max(1.0, dispersion)
    p_value = float(chi2.sf(max(0.0, gain), 1 + model.n_classes))
    halves = []
    for at, name in enumerate(names):
        log_days = float(found[_N_TERMS + at])
        error = float(covariance[_N_TERMS + at, _N_TERMS + at].clamp(min=0).sqrt())
        is_inside = log_days < high - _AT_BOUND * (high - low)
        decays = p_value < SIGNIFICANCE and float(found[0]) > 0 and is_inside and math.isfinite(error)
        lower, upper = (math.exp(min(max(log_days + side * _NORMAL_95 * error, low), high)) for side in (-1, 1))
        n_choices = int(((model.kind == at) & model.is_there).any(dim=1).sum())
        halves.append(HalfLife(name, math.exp(log_days), lower, upper, math.exp(log_days) * error, p_value, decays, n_choices))
    return Estimate(halves, found[:_N_TERMS])


def _best_common(model: ChoiceModel, low: float, high: float) -> Float64[Tensor, " terms_and_classes"]:
    """The coefficients and the half-life common to all classes with the highest likelihood: the best of a grid, refined."""

    def common(log_days: float) -> Float64[Tensor, " classes"]:
        return torch.full((model.n_classes,), log_days, dtype=torch.float64)

    grid = np.linspace(low, high, _GRID)
    values = [model.fit_coefficients(common(value))[1] for value in grid]
    at = int(np.argmax(values))
    ends = grid[max(at - 1, 0)], grid[min(at + 1, _GRID - 1)]
    refined = minimize_scalar(
        lambda value: -model.fit_coefficients(common(value))[1], bounds=ends, options={"xatol": 1e-4}, method="bounded"
    )
    best = float(refined.x) if -float(refined.fun) >= values[at] else float(grid[at])
    return torch.cat([model.fit_coefficients(common(best))[0], common(best)])


def _maximise(
    model: ChoiceModel, start: Float64[Tensor, " terms_and_classes"], low: float, high: float
) -> Float64[Tensor, " terms_and_classes"]:
    """Maximise the likelihood over coefficients and the half-lives of all classes, within bounds."""
    span = high - low

    def bounded(raw: Tensor) -> Tensor:
        return torch.cat([raw[:_N_TERMS], low + span * raw[_N_TERMS:].sigmoid()])

    share = ((start[_N_TERMS:] - low) / span).clamp(0.03, 0.97).logit()
    raw = torch.cat([start[:_N_TERMS], share]).requires_grad_()
    optimizer = torch.optim.LBFGS([raw], max_iter=60, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -model.log_likelihood(bounded(raw)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return bounded(raw).detach()


def _covariance(model: ChoiceModel, found: Float64[Tensor, " p"]) -> tuple[Float64[Tensor, "p p"], float]:
    """The covariance of the estimates, clustered by user, and the variance of scores relative to the information, on average."""
    information = -torch.autograd.functional.hessian(lambda one: model.log_likelihood(one).sum(), found)
    scores = torch.func.jacfwd(model.log_likelihood)(found)
    _, user = torch.unique(model.sets.user_idx, return_inverse=True)
    by_user = scores.new_zeros(int(user.max()) + 1, scores.shape[1]).index_add_(0, user, scores)
    inverse = torch.linalg.pinv(information, hermitian=True)
    variance = by_user.T @ by_user
    return inverse @ variance @ inverse, float((inverse @ variance).trace() / len(found))


def _fit_logit(
    terms: Float64[Tensor, "n candidates terms"], available: Bool[Tensor, "n candidates"]
) -> tuple[Float64[Tensor, " terms"], float]:
    """Fit a conditional logit of the first candidate by Newton's method; its logarithm of the likelihood is concave."""
    found = terms.new_zeros(terms.shape[2])
    ridge = 1e-6 * torch.eye(len(found), dtype=terms.dtype)
    value = -math.inf
    for _ in range(30):
        log_p = (terms @ found).masked_fill(~available, -math.inf).log_softmax(dim=1)
        now, p = float(log_p[:, 0].sum()), log_p.exp()
        mean = torch.einsum("nc,nct->nt", p, terms)
        gradient = (terms[:, 0] - mean).sum(dim=0)
        centred = terms - mean[:, None]
        scaled = (centred * p.sqrt()[:, :, None]).flatten(0, 1)
        information = scaled.T @ scaled
        if now - value < 1e-8 * abs(now):
            break
        value = now
        found = found + torch.linalg.solve(information + ridge * (1 + information.diagonal().max()), gradient)
    return found, now
