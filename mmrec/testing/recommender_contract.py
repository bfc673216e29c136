"""The tests that every model must pass: `class TestMine(RecommenderContract): model, settings = Mine, {"embedding_dim": 8}`.

Run them with pytest.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import bpr
from mmrec.models.recommender import REQUIRED, ClosedFormRecommender, GradientRecommender, MixedRecommender, Recommender, TrainedScorer
from mmrec.tasks.plain_training import PlainTraining
from mmrec.testing.checkerboard import N_USERS, N_WARM, all_warm_of_ones_colour, most_of_ones_colour, own_colour_first, spec_of_colours
from mmrec.testing.components import spec_of_components
from mmrec.testing.discovery import Model
from mmrec.testing.user_texts import with_user_texts
from mmrec.types import DatasetSpec, Features, Graph, Interactions, Words

TRAINING: Mapping[str, Any] = {"loss": partial(bpr, temperature=1.0), "batch_size": 400, "learning_rate": 0.02, "n_epochs": 40}
"""Arguments of `PlainTraining` for the checkerboard."""
LARGE_BATCH = 4096
"""A number of users or interactions for which torch uses several threads, with vectors of 8 numbers or more."""


class RecommenderContract:
    """The tests of a model; subclasses set `model` and its `settings`, with small sizes.

    Models trained by gradient descent may set `training`, arguments of `PlainTraining`. A model that cannot distinguish the colours by
    interactions, such as popularity, sets `learns_colours = False`.
    """

    model: ClassVar[Model]
    settings: ClassVar[Mapping[str, Any]] = {}
    training: ClassVar[Mapping[str, Any]] = TRAINING
    learns_colours: ClassVar[bool] = True

    @classmethod
    def train(cls, spec: DatasetSpec, **changed: Any) -> Recommender:
        """Fit or train the model; `changed` overrides training arguments and is ignored by models in closed form."""
        spec = with_user_texts(spec) if cls.model.user_texts == REQUIRED else spec
        if issubclass(cls.model, ClosedFormRecommender):
            return cls.model(**cls.settings).fit(spec)
        training = {**cls.training, **changed}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return PlainTraining(partial(cls.model, **cls.settings), **training).train(spec)

    @classmethod
    def untrained(cls, spec: DatasetSpec) -> Recommender:
        """The untrained model, initialised with another seed."""
        spec = with_user_texts(spec) if cls.model.user_texts == REQUIRED else spec
        if issubclass(cls.model, ClosedFormRecommender):
            return cls.model(**cls.settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return cls.model(spec=spec, **cls.settings)

    @classmethod
    @cache
    def trained(cls) -> Recommender:
        """The model used by most tests, trained once on the checkerboard with an unknown user and an unknown item."""
        return cls.train(with_new(spec_of_colours(most_of_ones_colour())), n_epochs=2)

    def test_it_ranks_the_colour_of_a_user_first(self) -> None:
        """By interactions, or by content if the model ranks new items."""
        train = most_of_ones_colour()
        if self.learns_colours:
            assert own_colour_first(self.train(spec_of_colours(train)).freeze(), train).all()
        else:
            assert own_colour_first(self.train(spec_of_colours(train)).freeze(), train).float().mean() < 0.5

    def test_it_ranks_new_items_by_what_they_show_if_it_says_so(self) -> None:
        """The remaining items of each user's colour are new; text, pictures and graph reveal the colours."""
        train = all_warm_of_ones_colour()
        scorer = self.train(spec_of_colours(train)).freeze()
        assert bool(own_colour_first(scorer, train).all()) is self.model.ranks_new_items

    def test_a_lift_of_new_items_comes_back_with_the_state_dict(self) -> None:
        """For models that rank new items: with a large offset, the new item is ranked first, also for histories."""
        if not self.model.ranks_new_items or issubclass(self.model, MixedRecommender):
            return
        spec, model = with_new(spec_of_colours(most_of_ones_colour())), self.trained()
        lifted = self.untrained(spec)
        lifted.load_state_dict({name: tensor.clone() for name, tensor in model.state_dict().items()})
        assert isinstance(lifted, ClosedFormRecommender | GradientRecommender)
        lifted.lift_new_items(1000.0)
        fresh = self.untrained(spec)
        fresh.load_state_dict(lifted.state_dict())
        scorer, histories = fresh.freeze(), Histories.from_events(spec.train, spec.n_users)
        for scores in (scorer.score_users(torch.arange(spec.n_users)), scorer.score_histories(histories)):
            assert (scores.argmax(dim=1) == N_WARM).all()
        assert not torch.equal(scores_of(fresh, spec.n_users), scores_of(model, spec.n_users))

    def test_it_says_what_it_is(self) -> None:
        """The model has a docstring, and freezing it returns a scorer."""
        assert self.model.__doc__ and self.model.__doc__ != Recommender.__doc__
        assert isinstance(self.trained(), Recommender) and isinstance(self.trained().freeze(), TrainedScorer)

    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        spec = with_new(spec_of_colours(most_of_ones_colour()))
        one, other = (self.train(spec, n_epochs=2) for _ in range(2))
        assert one.state_dict().keys() == other.state_dict().keys()
        assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())
        assert torch.equal(scores_of(one, N_USERS), scores_of(other, N_USERS))

    def test_on_many_components_two_threads_give_the_same_bytes(self) -> None:
        """In batches that are large enough for two threads."""
        spec, n_threads = spec_of_components(), torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            one, other = (self.train(spec, n_epochs=1, batch_size=LARGE_BATCH) for _ in range(2))
            assert torch.equal(scores_of(one, N_USERS), scores_of(other, N_USERS))
        finally:
            torch.set_num_threads(n_threads)
        assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())

    def test_a_state_dict_restores_it(self) -> None:
        trained = self.trained()
        state = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
        fresh = self.untrained(with_new(spec_of_colours(most_of_ones_colour())))
        fresh.load_state_dict(state)
        torch.testing.assert_close(scores_of(fresh, N_USERS + 1), scores_of(trained, N_USERS + 1), rtol=0, atol=0)

    def test_scores_are_finite_for_known_and_new_users_and_items(self) -> None:
        scores = scores_of(self.trained(), N_USERS + 1)
        assert scores.shape == (N_USERS + 1, N_WARM + 1) and scores.dtype == torch.float32
        assert scores.isfinite().all() and not scores.requires_grad

    def test_scores_belong_to_the_caller_and_a_user_is_scored_alike_in_any_batch(self) -> None:
        scorer, users = self.trained().freeze(), torch.tensor([7, 0, 7])
        first = scorer.score_users(users)
        torch.testing.assert_close(first[0], first[2])
        kept = first.clone()
        first.fill_(-1.0)
        torch.testing.assert_close(scorer.score_users(users), kept)
        torch.testing.assert_close(scorer.score_users(users[1:2]), kept[1:2], atol=1e-4, rtol=1e-4)
        assert scorer.score_users(users[:0]).shape == (0, N_WARM + 1)

    def test_vectors_give_the_scores(self) -> None:
        scorer = self.trained().freeze()
        if vectors := scorer.vectors():
            torch.testing.assert_close(vectors.users @ vectors.items.T, scorer.score_users(torch.arange(N_USERS + 1)), atol=1e-4, rtol=1e-4)

    def test_a_history_is_scored_as_the_user_who_has_it(self) -> None:
        """Exactly for history-based models; for others, shapes agree and scores are finite."""
        spec, scorer = with_new(spec_of_colours(most_of_ones_colour())), self.trained().freeze()
        histories = Histories.from_events(spec.train, spec.n_users)
        found, known = scorer.score_histories(histories), scorer.score_users(torch.arange(spec.n_users))
        assert found.shape == known.shape and found.isfinite().all()
        if self.model.is_history_based:
            torch.testing.assert_close(found, known, atol=1e-4, rtol=1e-4)

    def test_a_new_history_is_scored_by_its_items(self) -> None:
        """For two unknown users, one of each colour, and one without a history."""
        train = most_of_ones_colour()
        scorer = self.train(spec_of_colours(train)).freeze()
        lists = [list(range(0, N_WARM - 4, 2)), list(range(1, N_WARM - 4, 2)), []]
        scores = scorer.score_histories(Histories.from_lists(lists))
        assert scores.shape == (3, N_WARM) and scores.isfinite().all()
        if self.learns_colours:
            rest, right = scores[:2, N_WARM - 4 :], torch.tensor([[True, False], [False, True]]).repeat(1, 2)
            assert (rest.masked_fill(~right, torch.inf).amin(dim=1) > rest.masked_fill(right, -torch.inf).amax(dim=1)).all()

    def test_training_leaves_the_data_as_they_were(self) -> None:
        """Training does not modify its input."""
        spec = spec_of_colours(most_of_ones_colour())
        before = [tensor.clone() for tensor in tensors_of(spec)]
        self.train(spec, n_epochs=1)
        assert all(torch.equal(one, other) for one, other in zip(before, tensors_of(spec), strict=True))

    @pytest.mark.parametrize(("n_users", "n_items"), [(1, 1), (1, 3), (3, 1)])
    def test_the_smallest_data_are_no_error(self, n_users: int, n_items: int) -> None:
        """All users have the first item, and nobody has the others."""
        owned = InteractionMatrix.from_pairs(torch.arange(n_users), torch.zeros(n_users, dtype=torch.int64), n_users, n_items)
        assert scores_of(self.train(spec_of_colours(owned), n_epochs=1), n_users).isfinite().all()


def scores_of(model: Recommender, n_users: int) -> Tensor:
    """The scores of the first `n_users` users."""
    return model.freeze().score_users(torch.arange(n_users))


def with_new(spec: DatasetSpec) -> DatasetSpec:
    """Add a user and an item without interactions, features or entity."""
    features = {
        name: Features(torch.cat([one.values, torch.zeros(1, one.values.shape[1])]), torch.cat([one.present, torch.tensor([False])]))
        for name, one in spec.features.items()
    }
    graph = spec.graph and replace(spec.graph, item_entity=torch.cat([spec.graph.item_entity, torch.tensor([-1])]))
    words = spec.words and replace(spec.words, indptr=torch.cat([spec.words.indptr, spec.words.indptr[-1:]]))
    return DatasetSpec(spec.n_users + 1, spec.n_items + 1, spec.train, features, graph, words=words)


def tensors_of(spec: DatasetSpec | Interactions | Features | Graph | Words) -> list[Tensor]:
    """All tensors in a specification."""
    found: list[Tensor] = []
    for value in vars(spec).values():
        for part in value.values() if isinstance(value, dict) else [value]:
            if isinstance(part, Tensor):
                found.append(part)
            elif isinstance(part, Interactions | Features | Graph | Words):
                found += tensors_of(part)
    return found
