"""Texts about users in the fusion model: nothing at the start, then a part of the user's vector, masked without a text, and hidden."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.users.user_part import UserPart
from mmrec.types import USER_TEXT
from tests.models.multimodal.test_text_cf import N_ITEMS, N_USERS, TRAIN, make_batch, make_spec

USERS = torch.arange(N_USERS)


def make_model(with_texts: bool = True) -> FusionRecommender:
    torch.manual_seed(0)
    spec = make_spec()
    model = FusionRecommender(spec if with_texts else replace(spec, user_texts=None), embedding_dim=4, kg_encoder=None)
    if model.user_part is not None:
        torch.nn.init.normal_(model.user_part.projection.weight)
    return model


def test_before_training_it_adds_nothing() -> None:
    torch.manual_seed(0)
    spec = make_spec()
    part = UserPart(spec, spec.user_texts, 4, 0.0)  # type: ignore[arg-type]
    positive, negative = part.scores(make_batch(), torch.randn(N_ITEMS, 4), None)
    assert not positive.any() and not negative.any() and not part.of_users(None).any()


def test_positives_are_scored_by_the_text_without_them_and_users_without_text_by_none() -> None:
    spec = make_spec()
    torch.manual_seed(0)
    part, items = UserPart(spec, spec.user_texts, 4, 0.0), torch.randn(N_ITEMS, 4)  # type: ignore[arg-type]
    torch.nn.init.normal_(part.projection.weight)
    batch: TrainBatch = make_batch()
    positive, negative = part.scores(batch, items, None)
    texts, directions = part.projection(part.vectors.values), F.normalize(items, dim=1)
    of_rows = [texts[N_USERS * (1 + fold) + user] @ directions[item] for user, item, fold in ((1, 1, 0), (0, 0, 0), (0, 2, 1))]
    torch.testing.assert_close(positive, torch.stack(of_rows))
    means = torch.stack([(texts[N_USERS + user] + texts[2 * N_USERS + user]) / 2 for user in (1, 0)])
    torch.testing.assert_close(negative, means @ directions[:3].T)
    assert not part.of_users(None)[2].any()


def test_the_model_scores_users_by_their_texts_too_and_can_hide_them() -> None:
    model, plain = make_model(), make_model(with_texts=False)
    assert model.user_modalities == (USER_TEXT,) and plain.user_modalities == ()
    scores, hidden = model.freeze().score_users(USERS), model.freeze([USER_TEXT]).score_users(USERS)
    assert not torch.allclose(scores[:2], hidden[:2], atol=1e-3)
    torch.testing.assert_close(scores[2], hidden[2])  # user 2 has no text
    found = model.freeze().score_histories(Histories.from_events(TRAIN, N_USERS))
    assert found.shape == scores.shape and found.isfinite().all()


def test_training_changes_the_projection() -> None:
    model = make_model()
    assert model.user_part is not None
    scores = model.score_batch(make_batch(), torch.Generator().manual_seed(0))
    (scores.positive.sum() - scores.negative.sum()).backward()
    grad = model.user_part.projection.weight.grad
    assert grad is not None and grad.abs().sum() > 0
