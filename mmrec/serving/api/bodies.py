"""The bodies of requests, with their limits, as OpenAPI describes them."""

from typing import Annotated, Any, Literal, Self, final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mmrec.serving.answer import MAX_K, Past, Wanted
from mmrec.serving.events.event import CLICK, LAST_SECOND, MAX_ID_LENGTH, MAX_POSITION, is_id
from mmrec.serving.filters import Condition
from mmrec.serving.sessions.reranking import parse_rerankers
from mmrec.steering.grammar import MAX_LENGTH

MAX_EVENTS, MAX_HISTORY, MAX_FILTERS, MAX_NAMES = 1_000, 1_000, 16, 1_000
MAX_TEXT = 20_000
_MAX_DEPTH = 4
_UNREADABLE = "expected text without NUL and without half of a surrogate pair"


def _checked_id(value: str) -> str:
    if not is_id(value):
        raise ValueError(f"expected text of 1 to {MAX_ID_LENGTH} characters without NUL and without half of a surrogate pair")
    return value


def _checked_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(_UNREADABLE) from None
    if "\0" in value:
        raise ValueError(_UNREADABLE)
    return value


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(_checked_id)]
Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_checked_text)]
Critique = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_checked_text)]
Language = Literal["en", "zh"]
Seconds = Annotated[float, Field(ge=0, le=LAST_SECOND, allow_inf_nan=False, strict=True, description="Seconds since 1970, UTC.")]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True, ge=-1e300, le=1e300)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Scalar = Flag | Whole | Number | Text
K = Annotated[int, Field(ge=1, le=MAX_K, description="How many items at most.")]
Cursor = Annotated[str, Field(max_length=1_024, description="From the answer before; asks for the items that follow.")]


class _Body(BaseModel):
    """A body without further fields."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="constants")


@final
class FilterBody(_Body):
    """What the value of a column has to be: one of `in`, `equal`, or between `min` and `max`."""

    column: Id
    equal: Scalar | None = None
    one_of: Annotated[list[Scalar], Field(max_length=100, alias="in")] = []
    low: Annotated[Number | None, Field(alias="min")] = None
    high: Annotated[Number | None, Field(alias="max")] = None

    def condition(self) -> Condition:
        """Convert to the service's own form."""
        return Condition(self.column, (*self.one_of, *(() if self.equal is None else (self.equal,))), self.low, self.high)


@final
class PastBody(_Body):
    """An event of a history."""

    item_id: Id
    timestamp: Seconds | None = None
    event: Id = CLICK


@final
class RecommendationBody(_Body):
    """A session, or a user who is not stored."""

    history: Annotated[list[PastBody], Field(max_length=MAX_HISTORY, description="Oldest first, where events have no times.")] = []
    profile: Annotated[dict[Id, Scalar], Field(max_length=100, description="Columns of users, for models that read them.")] = {}
    k: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] = 10
    cursor: Cursor | None = None
    candidates: Annotated[list[Id], Field(max_length=MAX_NAMES, description="The only items to choose from.")] | None = None
    exclude: Annotated[list[Id], Field(max_length=MAX_NAMES)] = []
    filters: Annotated[list[FilterBody], Field(max_length=MAX_FILTERS)] = []
    rerank: Annotated[list[Text], Field(max_length=MAX_FILTERS, description="mmr, dpp, calibrated:genre, …, one after the other.")] = []

    def past(self) -> list[Past]:
        """The history in the service's own form."""
        return [Past(one.item_id, one.timestamp, one.event) for one in self.history]

    def wanted(self) -> Wanted:
        """What the list is to be like."""
        filters = [one.condition() for one in self.filters]
        return Wanted(self.k, self.cursor, filters, self.candidates, self.exclude, parse_rerankers(self.rerank))


@final
class SessionBody(_Body):
    """Whose session it is."""

    user_id: Annotated[Id | None, Field(description="Any user; nobody, if it is left out.")] = None
    history: Annotated[list[Id], Field(max_length=MAX_HISTORY, description="Items of somebody who is not stored, oldest first.")] = []
    language: Annotated[Language, Field(description="Of the answers: en or zh.")] = "en"


@final
class FeedbackBody(_Body):
    """One thing that is said: exactly one of these."""

    like: Annotated[Id | None, Field(description="An item_id.")] = None
    dislike: Annotated[Id | None, Field(description="An item_id.")] = None
    critique: Annotated[Critique | None, Field(description="less of genre Drama, cheaper, something darker, …")] = None
    picture: Annotated[str | None, Field(description="The bytes of a picture in base64.", max_length=2**24)] = None
    undo: Flag = False

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        n_said = sum(one is not None for one in (self.like, self.dislike, self.critique, self.picture)) + self.undo
        if n_said != 1:
            raise ValueError(f"expected exactly one of like, dislike, critique, picture and undo, found {n_said}")
        return self


@final
class Explained(BaseModel):
    """Why an item is recommended."""

    model: str
    item_id: str
    sentences: list[str]


@final
class EventBody(_Body):
    """What a user did with an item, or that it was shown."""

    event_id: Annotated[Id, Field(description="Different for every event; an event that is sent again has no effect.")] | None = None
    user_id: Id
    item_id: Id
    timestamp: Annotated[Seconds | None, Field(description="Now, if it is left out.")] = None
    event: Annotated[Id, Field(description="click, purchase, like, dislike, impression, or any other text.")] = CLICK
    position: Annotated[int, Field(ge=0, le=MAX_POSITION, strict=True)] | None = None
    propensity: Annotated[float, Field(gt=0, le=1, strict=True)] | None = None
    model: Annotated[Id, Field(description="The model of the list that the item was in.")] | None = None


@final
class ModelBody(_Body):
    """The run to serve."""

    run: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", description="Its folder's name.")]


@final
class ItemBody(_Body):
    """An item: values of columns, a picture, and what it is related to."""

    fields: Annotated[dict[Id, Scalar | None], Field(max_length=100, description="Values by column.")] = {}
    picture: Annotated[str, Field(description="The bytes of a picture in base64.", max_length=2**24)] | None = None
    triples: Annotated[
        list[Annotated[list[Id], Field(min_length=2, max_length=2)]],
        Field(max_length=1_000, description="Pairs of relation and tail."),
    ] = []
    entity: Annotated[Id | None, Field(description="The entity of the graph that the item is.")] = None


@final
class EventsStored(BaseModel):
    """What became of events."""

    model: str
    received: int
    stored: Annotated[int, Field(description="How many were new.")]


@final
class UserForgotten(BaseModel):
    """What was removed of a user."""

    model: str
    removed_events: int


@final
class Problem(BaseModel):
    """An error, see RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] = []


By = Annotated[str, Field(min_length=1, max_length=100)]
