"""The service: answers from one immutable model and a store of events. It has no network, clock or disk of its own."""

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor

from mmrec.experiment.run.item_source import ItemContent
from mmrec.serving.answer import MAX_OFFSET, About, Answer, ItemChange, Listed, Past, Wanted
from mmrec.serving.cursor import make_cursor, read_cursor
from mmrec.serving.events.event import Event
from mmrec.serving.events.event_store import EventStore
from mmrec.serving.history import DISLIKE, Reading, read_events
from mmrec.serving.index.exact import best_of
from mmrec.serving.matches import knows_who_asks, match_picture, match_text, order_by_taste
from mmrec.serving.model.served import Found, ServedModel, Taste
from mmrec.serving.model_in_use import ModelInUse, check_listed
from mmrec.serving.refusal import CANNOT_ANSWER, INVALID, UNKNOWN_ITEM, Refused
from mmrec.serving.run_choice import RunChoice
from mmrec.serving.sessions.reranking import n_candidates, rerank_found
from mmrec.serving.sessions.served_items import ServedItems, ServedPerson, times_of
from mmrec.serving.sessions.session_start import SessionStart
from mmrec.steering.session import Session
from mmrec.steering.steer import Strengths

_RECENT_S, _N_POPULAR = 7 * 86_400, 1000
_OF_TRAINING = "from what the user did in the data of the model"
_OF_EVENTS = "from what the user did, up to their last event"
_OF_HISTORY = "from the history in the request"
_OF_QUERIES = "popular now, since the model only answers queries"
_POPULAR = "popular now, since nothing is known of the user"


@final
class Service:
    """Recommends, finds similar items, takes events and other models. All methods may be called from several threads.

    Args:
        model: the model to begin with.
        store: events and items.
        clock: the time in seconds since 1970, UTC.
        load: opens another run by its name, for `swap`; None: there are no others.
        start: the run that the process was started with, if `model` is another; see `RunChoice`.
    """

    def __init__(
        self,
        model: ServedModel,
        store: EventStore,
        clock: Callable[[], float],
        load: Callable[[str], ServedModel] | None = None,
        start: str | None = None,
    ) -> None:
        self.store, self.clock = store, clock
        self._in_use = ModelInUse(model, store, RunChoice(store, clock, load, start or model.run))
        self._items: tuple[ServedItems, ...] = ()
        self._recent: tuple[list[tuple[str, float]], float] = ([], -math.inf)

    @property
    def model(self) -> ServedModel:
        """The model in use. Whoever answers takes it once."""
        return self._in_use.current

    def recommend(self, user_id: str, wanted: Wanted) -> Answer:
        """Return the best items for a user, without those that the user has had.

        Items are compared with what the user did in the data of the model and since then. A user of whom nothing is known gets what is
        popular now.

        Args:
            user_id: any user.
            wanted: what the list is to be like.

        Raises:
            Refused: a filter or the cursor is invalid.
        """
        model = self.model
        reading, user_idx, is_new = self._read(model, user_id)
        seen = reading.known if user_idx is None else reading.known | model.known.seen_by(user_idx)
        if user_idx is not None and (not is_new or model.of_histories is None):
            past = [idx for idx, _ in model.known.past_of(user_idx)]
            return self._answer(model, model.taste_of_user(user_idx), seen, wanted, _OF_TRAINING, past)
        taste, reason = self._taste(model, reading, _OF_EVENTS)
        return self._answer(model, taste, seen, wanted, reason, reading.liked)

    def recommend_to_history(self, history: Sequence[Past], wanted: Wanted) -> Answer:
        """Return the best items for somebody who is not stored, without those of the history.

        Args:
            history: events of one user, oldest first where they have no times.
            wanted: what the list is to be like.

        Raises:
            Refused: the history has an unknown item, or a filter or the cursor is invalid.
        """
        model = self.model
        for one in history:
            check_listed(model, one.item_id)
        if all(one.timestamp is not None for one in history):
            history = sorted(history, key=lambda one: one.timestamp or 0.0)
        reading = read_events(model.catalogue, history)
        taste, reason = self._taste(model, reading, _OF_HISTORY)
        return self._answer(model, taste, reading.known, wanted, reason, reading.liked)

    def similar(self, item_id: str, by: str, wanted: Wanted) -> Answer:
        """Return the items that are most similar to an item.

        Args:
            item_id: the item.
            by: `all`, `collaborative`, `text`, `image`, `kg` or another modality, see `ServedModel.neighbours`.
            wanted: what the list is to be like.

        Raises:
            Refused: there is no such item or similarity, or a filter or the cursor is invalid.
        """
        model = self.model
        check_listed(model, item_id)
        allowed, offset = model.catalogue.allowed(wanted.filters, wanted.candidates), read_cursor(wanted.cursor, model.version)
        found = model.neighbours(model.catalogue.places[item_id], by, offset + wanted.k + 1, allowed)
        return _listed(model, found, offset, wanted.k, f"similar to {item_id} by {by}")

    def search(self, query: str | bytes, wanted: Wanted, user_id: str | None = None) -> Answer:
        """Return the items that match a text or look like a picture.

        Args:
            query: a text, or the bytes of a picture.
            wanted: what the list is to be like.
            user_id: whose taste orders the best matches; None: nobody's.

        Raises:
            Refused: the model cannot search by that, the picture cannot be decoded, or a filter or the cursor is invalid.
        """
        model = self.model
        allowed, offset = model.catalogue.allowed(wanted.filters, wanted.candidates), read_cursor(wanted.cursor, model.version)
        asking = None
        if isinstance(query, str) and user_id is not None and knows_who_asks(model, user_id) and not self.store.is_forgotten(user_id):
            asking = user_id
        scores = match_picture(model, query) if isinstance(query, bytes) else match_text(model, query, asking)
        reason = "look like the picture" if isinstance(query, bytes) else f"match the query{'' if asking is None else ' of this user'}"
        if user_id is not None and asking is None and model.ranks and (taste := self._taste_of(model, user_id)) is not None:
            scores, reason = order_by_taste(scores, model.all_scores(taste)), f"{reason}, in the order of the user's taste"
        found = best_of(scores, offset + wanted.k + 1, model.catalogue.idx(wanted.exclude), allowed)
        return _listed(model, found, offset, wanted.k, reason)

    def session(
        self, user_id: str | None = None, history: Sequence[str] = (), language: str = "en", strengths: Strengths | None = None
    ) -> Session:
        """Begin a dialogue with a user, or with somebody who is not stored. It keeps the model in use now.

        Args:
            user_id: any user; None: nobody, or somebody with the given history.
            history: instead, the items of somebody who is not stored, oldest first.
            language: of the answers, `en` or `zh`.
            strengths: how much likes, dislikes and critiques count; None: the defaults.

        Raises:
            Refused: the history has an unknown item, there is a user too, or the model only answers queries.
            ConfigError: there are no answers in the language.
        """
        model = self.model
        return self.open_session(self.session_start(model, user_id, history, language), model, strengths)

    def session_start(self, model: ServedModel, user_id: str | None, history: Sequence[str], language: str) -> SessionStart:
        """Return what a session with a model begins with, see `session`. Raises Refused if the history has an unknown item."""
        if not model.ranks:
            raise Refused(CANNOT_ANSWER, f"session: the model {model.version} only answers queries")
        if user_id is not None and history:
            raise Refused(INVALID, "session: expected a user or a history, found both")
        for one in history:
            check_listed(model, one)
        past = [Past(one) for one in history]
        if user_id is not None:
            past = [Past(one.item_id, one.timestamp, one.event) for one in self.store.history(user_id)]
        user_idx = None if user_id is None else self._known(model, user_id)
        reading, is_new = _read_past(model, user_idx, past)
        is_scored = (user_idx is not None and not is_new) or bool(reading.liked and model.ranks)
        return SessionStart(language, user_id, user_idx is not None, past, () if is_scored else self._recently_popular())

    def open_session(self, start: SessionStart, model: ServedModel, strengths: Strengths | None = None) -> Session:
        """Begin a session, or begin one again, with what it began with.

        Raises:
            ConfigError: there are no answers in the language.
        """
        user_idx = model.known.users.get(start.user_id) if start.is_of_run and start.user_id is not None else None
        reading, is_new = _read_past(model, user_idx, start.past)
        seen, liked, times = reading.known, reading.liked, reading.timestamps
        if user_idx is not None:
            seen = seen | model.known.seen_by(user_idx)
        if user_idx is not None and (not is_new or model.of_histories is None):
            taste, past = model.taste_of_user(user_idx), model.known.past_of(user_idx)
            liked, times = [idx for idx, _ in past], times_of(past)
        else:
            taste = self._taste(model, reading, "", start.popular)[0]
        items = self._items_of(model)
        return Session(items, ServedPerson(model, taste, liked, times, seen), strengths, items, start.language)

    def model_of(self, version: str) -> ServedModel | None:
        """Return the model of a version, see `ModelInUse.of_version`."""
        return self._in_use.of_version(version)

    def explain(self, user_id: str, item_ids: Sequence[str], k: int = 10, language: str = "en") -> dict[str, tuple[str, ...]]:
        """Return sentences by item that say why the model recommends it to a user of the run, see `ItemExplainer.sentences`.

        Raises:
            Refused: there is no such item, the user is not in the run, or the model cannot explain.
        """
        model = self.model
        for one in item_ids:
            check_listed(model, one)
        if self._known(model, user_id) is None:
            raise Refused(CANNOT_ANSWER, f"explain: only recommendations for users of the run are explained, and `{user_id}` is none")
        return self._items_of(model).explainer.sentences(user_id, item_ids, k, language)

    def add_events(self, events: Sequence[Event]) -> int:
        """Store events durably, and return how many are new; they count from the users' next lists on."""
        return self.store.append(events)

    def prepare(self) -> None:
        """Load and compute what placing items needs, if the model can place any; otherwise the first `put_item` does, and takes longer."""
        model = self.model.origin
        if model.places_items:
            model.placer.prepare()

    def put_item(self, item: ItemContent) -> ItemChange:
        """Add an item, or change what is known of one, see `ModelInUse.put_item`."""
        return self._in_use.put_item(item)

    def delete_item(self, item_id: str) -> ItemChange:
        """Remove an item from all lists. Raises Refused if there is none."""
        return self._in_use.delete_item(item_id)

    def delete_user(self, user_id: str) -> int:
        """Remove a user's events, and forget what the data of the model say of them. Returns the number of events."""
        return self.store.forget(user_id)

    def refresh(self) -> bool:
        """Take over the run and the items of other processes, see `ModelInUse.refresh`."""
        return self._in_use.refresh()

    def swap(self, run: str) -> About:
        """Serve another run from now on, see `ModelInUse.swap`."""
        self._in_use.swap(run)
        return self.about()

    def rollback(self) -> About:
        """Serve the model before the last `swap` again. Raises Refused if there is none, or its run cannot be opened any more."""
        self._in_use.rollback()
        return self.about()

    def reconfigure(self, run: str) -> About:
        """Serve a run as a process that is started with it does, see `ModelInUse.reconfigure`."""
        self._in_use.reconfigure(run)
        return self.about()

    def picture(self, item_id: str) -> bytes:
        """Return the bytes of an item's picture, as they came. Raises Refused if it has none."""
        model = self.model
        check_listed(model, item_id)
        found = model.picture(item_id)
        if found is None:
            raise Refused(UNKNOWN_ITEM, f"item_id: item `{item_id}` has no picture")
        return found

    def about(self) -> About:
        """Return what the model in use is and can do."""
        model, before = self.model, self._in_use.before
        return About(
            model=model.version,
            run=model.run,
            name=model.name,
            n_users=len(model.known.users),
            n_items=len(model.catalogue) - len(model.catalogue.removed),
            index="none" if model.index is None else type(model.index).__name__,
            reads_histories=model.of_histories is not None,
            places_items=model.places_items,
            similarities=model.similarities,
            columns=model.catalogue.items.columns,
            before=None if before is None else before.version,
            notes=[model.why_not_restored] if model.why_not_restored else [],
        )

    def _items_of(self, model: ServedModel) -> ServedItems:
        """What is known of the items of a model, kept for the two models that were used last."""
        found = next((one for one in self._items if one.model is model), None) or ServedItems(model)
        self._items = (found, *[one for one in self._items if one is not found][:1])
        return found

    def _answer(
        self, model: ServedModel, taste: Taste, seen: frozenset[int], wanted: Wanted, reason: str, history: Sequence[int]
    ) -> Answer:
        allowed: Bool[Tensor, " n_items"] | None = model.catalogue.allowed(wanted.filters, wanted.candidates)
        offset = read_cursor(wanted.cursor, model.version)
        excluded = torch.tensor(sorted(seen | {*model.catalogue.idx(wanted.exclude).tolist()}), dtype=torch.int64)
        k = offset + wanted.k + 1
        n = n_candidates(wanted.rerank, wanted.k) if wanted.rerank else k  # the same on every page: reranked lists end there
        found = model.best(taste, n, excluded, allowed)
        if wanted.rerank:
            found = rerank_found(wanted.rerank, found, history, self._items_of(model), min(k, n))
        return _listed(model, found, offset, wanted.k, reason)

    def _known(self, model: ServedModel, user_id: str) -> int | None:
        """The user_idx of a user of the run who was not forgotten."""
        user_idx = model.known.users.get(user_id)
        return None if user_idx is None or self.store.is_forgotten(user_id) else user_idx

    def _read(self, model: ServedModel, user_id: str) -> tuple[Reading, int | None, bool]:
        """What a user did, their user_idx in the run, and whether they did anything since then."""
        user_idx = self._known(model, user_id)
        reading, is_new = _read_past(model, user_idx, self.store.history(user_id))
        return reading, user_idx, is_new

    def _taste_of(self, model: ServedModel, user_id: str) -> Taste | None:
        """What a user likes; None if nothing is known of them."""
        reading, user_idx, is_new = self._read(model, user_id)
        if user_idx is not None and (not is_new or model.of_histories is None):
            return model.taste_of_user(user_idx)
        return self._taste(model, reading, "")[0] if reading.liked else None

    def _taste(
        self, model: ServedModel, reading: Reading, reason: str, popular: Sequence[tuple[str, float]] | None = None
    ) -> tuple[Taste, str]:
        if not reading.liked:
            return self._popular(model, popular), _POPULAR
        if not model.ranks:
            return self._popular(model, popular), _OF_QUERIES
        if model.of_histories is None:
            return model.taste_of_similar(reading.liked), f"{reason}, by similarity to these items: the model reads no histories"
        return model.taste_of_history(reading.liked, reading.timestamps), reason

    def _popular(self, model: ServedModel, popular: Sequence[tuple[str, float]] | None = None) -> Taste:
        """The number of users of the last week, or of another time, then of the data of the model."""
        usual = model.popularity().float()
        scores = usual / (usual.max() + 1)
        for item_id, n_users in self._recently_popular() if popular is None else popular:
            if item_id in model.catalogue.places:
                scores[model.catalogue.places[item_id]] += n_users
        return Taste(None, scores[None])

    def _recently_popular(self) -> list[tuple[str, float]]:
        """The items of most users of the last week; counted again after twenty times as long as counting took."""
        now, (rows, until) = self.clock(), self._recent
        if now >= until:
            rows = self.store.popular(now - _RECENT_S, _N_POPULAR)
            after = self.clock()
            self._recent = rows, after + 20 * (after - now)
        return rows


def _read_past(model: ServedModel, user_idx: int | None, events: Sequence[Past] | Sequence[Event]) -> tuple[Reading, bool]:
    """What somebody did, and whether they did anything since the data of the model, in which they are `user_idx`."""
    if user_idx is not None and not events:
        return Reading([], None, frozenset()), False
    earlier = [] if user_idx is None else model.known.past_of(user_idx)
    reading = read_events(model.catalogue, events, earlier)
    is_new = user_idx is None or len(reading.liked) != len(earlier) or any(one.event == DISLIKE for one in events)
    return reading, is_new


def _listed(model: ServedModel, found: Found, offset: int, k: int, reason: str) -> Answer:
    scores, items = (one[offset:].tolist() for one in found)
    catalogue, has_more = model.catalogue, len(items) > k and offset + k <= MAX_OFFSET
    rows = [
        Listed(catalogue.item_ids[idx], offset + place + 1, score, catalogue.titles[idx], catalogue.image(idx))
        for place, (score, idx) in enumerate(zip(scores[:k], items[:k], strict=True))
    ]
    return Answer(model.version, rows, reason, make_cursor(model.version, offset + k) if has_more else None)
