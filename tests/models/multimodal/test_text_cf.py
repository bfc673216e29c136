"""TextCF: its loss by hand, an untrained model compares texts, what is missing is masked, and what it cannot do without."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.multimodal.text_cf import TextCF
from mmrec.models.recommender import LackingData
from mmrec.types import DatasetSpec, Features, Interactions, UserTexts

N_USERS, N_ITEMS, DIM = 3, 5, 4
TRAIN = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 1]))  # user 2 has no text; items 3 and 4 are new, 4 has no text
PRESENT = torch.tensor([True, True, True, True, False])
FOLD = torch.tensor([0, 1, 0])


def make_spec(user_dim: int = DIM) -> DatasetSpec:
    generator = torch.Generator().manual_seed(0)
    items = torch.where(PRESENT[:, None], torch.randn(N_ITEMS, DIM, generator=generator), 0.0)
    has = torch.tensor([True, True, False] * 3)
    users = torch.where(has[:, None], torch.randn(9, user_dim, generator=generator), 0.0)
    texts = UserTexts(Features(users, has), 2, torch.tensor([0, 2, N_ITEMS + 1]), FOLD)
    return DatasetSpec(N_USERS, N_ITEMS, TRAIN, {"text": Features(items, PRESENT)}, user_texts=texts)


def make_batch(distinct: torch.Tensor | None = None) -> TrainBatch:
    """Users 1 and 0, and all training items as negatives."""
    pool = torch.tensor([0, 1, 2])
    valid = torch.tensor([[True, False, True], [False, True, False]])
    return TrainBatch(
        torch.tensor([1, 0]), torch.tensor([0, 1, 1]), torch.tensor([1, 0, 2]), pool, valid, torch.zeros(3), torch.tensor(1.0), distinct
    )


def trained() -> TextCF:
    torch.manual_seed(0)
    model = TextCF(make_spec(), temperature=0.5, dropout=0.0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("distinct", [None, torch.tensor([0, 1, 2])])
def test_the_loss_is_the_cross_entropy_over_the_items_from_the_text_without_the_item(distinct: torch.Tensor | None) -> None:
    model, spec = trained(), make_spec()
    keys = F.normalize(model.items + model.items @ model.key.weight.T, dim=1)
    losses = []
    for user, item, fold, others in ((1, 1, 0, [0, 2]), (0, 0, 0, [1]), (0, 2, 1, [1])):
        vector = model.texts.values[N_USERS * (1 + fold) + user]
        query = F.normalize(vector + model.query(vector), dim=0)
        logits = torch.stack([query @ keys[one] for one in (item, *others)]) / 0.5
        losses.append(F.cross_entropy(logits[None], torch.tensor([0])))
    scores = model.score_batch(make_batch(distinct), torch.Generator())
    torch.testing.assert_close(scores.extra, torch.stack(losses).mean())
    assert len(scores.positive) == 0 and spec.user_texts is not None


def test_negatives_of_their_own_give_the_same_loss() -> None:
    batch = make_batch()
    own = batch._replace(negatives=torch.tensor([[0, 1, 2], [0, 1, 2]]))
    model = trained()
    one, other = (model.score_batch(some, torch.Generator()).extra for some in (batch, own))
    torch.testing.assert_close(one, other)


def test_an_untrained_model_compares_texts_and_masks_what_is_missing() -> None:
    model = TextCF(make_spec())
    scorer = model.freeze()
    scores = scorer.score_users(torch.arange(N_USERS))
    expected = F.normalize(model.texts.values[:2], dim=1) @ F.normalize(model.items[:4], dim=1).T
    deviation = scores[:2, :4].sub(scores[:2, 4:]).div(expected + 4.0)  # the lift scales scores only if there is one
    torch.testing.assert_close(deviation, torch.ones_like(deviation), atol=1e-4, rtol=1e-4)
    assert (scores.argmin(dim=1) == 4).all()  # without text, last
    torch.testing.assert_close(scorer.users[2], scorer.users[:2].mean(dim=0))


def test_what_it_cannot_do_without() -> None:
    spec = make_spec()
    with pytest.raises(LackingData, match="model=text_cf needs items with texts"):
        TextCF(replace(spec, features={}))
    with pytest.raises(LackingData, match=r"needs texts about users: evidence\.user_text=true"):
        TextCF(replace(spec, user_texts=None))
    with pytest.raises(LackingData, match="by one encoder, and found vectors of 4 and of 3 numbers"):
        TextCF(make_spec(user_dim=3))
    with pytest.raises(ValueError, match="temperature: expected more than 0, found 0"):
        TextCF(spec, temperature=0.0)
