"""Self-training for clicks: none without rounds, and pseudo-labels keep the rate of clicks."""

import pytest
import torch

from mmrec.metrics.click import click_auc
from mmrec.models.click.bayesian_logistic_mf import BayesianLogisticMF
from mmrec.models.click.predictor import clicked_of
from mmrec.models.click.self_trained_clicks import SelfTrainedClicks
from mmrec.types import DatasetSpec, Interactions
from tests.models.click.shop import impressions, spec

SIZES = {"embedding_dim": 3, "n_samples": 6, "n_burn_in": 6}


def test_without_rounds_it_is_the_model_and_a_state_restores_it() -> None:
    plain, none = BayesianLogisticMF(**SIZES).fit(spec()), SelfTrainedClicks(rounds=0, **SIZES).fit(spec())
    assert torch.equal(none.users, plain.users) and int(none.n_pseudo_labels) == 0
    held_out, found = impressions(2000, 2), SelfTrainedClicks(**SIZES).fit(spec())
    again = SelfTrainedClicks(**SIZES)
    again.load_state_dict(found.state_dict())
    assert torch.equal(again.logits(held_out), found.logits(held_out))
    assert click_auc(found.logits(held_out), clicked_of(held_out)) > 0.8


def test_pseudo_labels_have_the_rate_of_the_true_ones_at_the_first_position(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Interactions] = []
    real = BayesianLogisticMF.factors

    def factors(self: BayesianLogisticMF, rows: Interactions, place: torch.Tensor, of: DatasetSpec) -> tuple:
        seen.append(rows)
        assert len(place) == len(rows)
        return real(self, rows, place, of)

    monkeypatch.setattr(BayesianLogisticMF, "factors", factors)
    few = spec().train.take(torch.arange(400))
    found = SelfTrainedClicks(rounds=2, share=0.5, **SIZES).fit(DatasetSpec(spec().n_users, spec().n_items, few, spec().features))
    assert len(seen[0]) == 400 and len(seen) == 3
    told = seen[-1].take(torch.arange(400, len(seen[-1])))
    assert len(told) == int(found.n_pseudo_labels) > 50
    assert float(told.label.mean()) == pytest.approx(float(few.label.mean()), abs=0.02)
    assert (told.position == 1).all()
    with pytest.raises(ValueError, match="share"):
        SelfTrainedClicks(share=1.5)
