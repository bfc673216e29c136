"""How well items match a text or a picture."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import ConfigError, MmrecError
from mmrec.experiment.run.search import cosines
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import CANNOT_ANSWER, INVALID, Refused
from mmrec.types import IMAGE, TEXT, FeatureEncoder

_N_BEST, _TASTE_WEIGHT = 200, 0.5
"""The matches that a user's taste orders, and how much a deviation of it counts relative to one of the match."""


@torch.no_grad()
def match_text(model: ServedModel, query: str, user_id: str | None = None) -> Float[Tensor, "1 n_items"]:
    """How well the items match a query; -inf for no match.

    A run of `task=search` says, as `Run.search` does. For other runs, these are the cosines of the vectors of the query and of the items'
    texts, or BM25 where there is no encoder of texts.

    Args:
        model: a served model.
        query: words.
        user_id: who asks, if `knows_who_asks`.

    Raises:
        Refused: the query is blank, or longer than the model reads.
    """
    if not query.strip():
        raise Refused(INVALID, "q: expected words, found none")
    if model.search is not None:
        try:
            if not model.search.knows(query):
                return torch.full((1, len(model.catalogue)), -torch.inf)
            return _with_added(model, model.search.score_texts([query], user_id))
        except ConfigError as error:
            raise Refused(INVALID, str(error).replace("query:", "q:", 1)) from error
    encoder = _encoder(model, TEXT)
    if encoder is not None:
        return _cosines(model, TEXT, _encoded(encoder, query.encode(), "q"))
    scores = model.catalogue.words.score([query])
    return torch.where(scores > 0, scores, -torch.inf)


@torch.no_grad()
def match_picture(model: ServedModel, picture: bytes) -> Float[Tensor, "1 n_items"]:
    """The cosines of the vectors of a picture and of the items' pictures; -inf for items without one.

    Raises:
        Refused: the model has no encoder of pictures, or this one cannot be decoded.
    """
    encoder = _encoder(model, IMAGE)
    if encoder is not None:
        return _cosines(model, IMAGE, _encoded(encoder, picture, "picture"))
    if model.search is not None:
        try:
            return _with_added(model, model.search.score_picture_bytes(picture))
        except ValueError as error:
            raise Refused(INVALID, f"picture: it cannot be used: {error}") from error
        except MmrecError as error:  # whose message has the folder of the run
            raise Refused(CANNOT_ANSWER, f"the model {model.version} does not read pictures") from error
    why = f": {model.why_not_restored}" if model.why_not_restored else ""
    raise Refused(CANNOT_ANSWER, f"the model {model.version} does not read pictures{why}")


def knows_who_asks(model: ServedModel, user_id: str) -> bool:
    """Return whether the search of a model is personal, and knows a user."""
    return model.search is not None and model.search.knows_user(user_id)


def order_by_taste(matches: Float[Tensor, "1 n_items"], taste: Float[Tensor, "1 n_items"]) -> Float[Tensor, "1 n_items"]:
    """Add a user's scores to those of the best matches, both in units of their deviation over these; other items keep their order below."""
    best = matches.topk(min(_N_BEST, matches.shape[1]), dim=1).indices[0]
    best = best[matches[0, best] > -torch.inf]
    if not len(best):
        return matches
    mixed = _standardized(matches[0, best]) + _TASTE_WEIGHT * _standardized(taste[0, best])
    found = matches.clone()
    found[0, best] = mixed - mixed.min() + 1 + matches[matches > -torch.inf].max()
    return found


def _standardized(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return (values - values.mean()) / values.std(correction=0).clamp(min=1e-12)


def _encoder(model: ServedModel, name: str) -> FeatureEncoder | None:
    """The encoder of the texts or pictures of the items; None if the model has none."""
    restored = model.origin.restored
    return None if restored is None or name not in restored.evidence.inputs else restored.evidence.inputs[name].encoder


def _encoded(encoder: FeatureEncoder, content: bytes, key: str) -> Float[Tensor, "1 dim"]:
    try:
        return encoder.encode([encoder.prepare(content)])
    except ValueError as error:
        raise Refused(INVALID, f"{key}: it cannot be used: {error}") from error


def _cosines(model: ServedModel, name: str, vector: Float[Tensor, "1 dim"]) -> Float[Tensor, "1 n_items"]:
    units = model.unit_vectors(name)
    return cosines(vector, units, units.any(dim=1))


def _with_added(model: ServedModel, scores: Float[Tensor, "1 n_before"]) -> Float[Tensor, "1 n_items"]:
    """The scores of the items of a run, and no match for those that were put since."""
    return F.pad(scores, (0, len(model.catalogue) - scores.shape[1]), value=-torch.inf)
