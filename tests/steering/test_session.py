"""Sessions: likes, dislikes and critiques move the list at once, the newest of contradictory ones wins, and undo takes back."""

import pytest
import torch

import mmrec.rerank
from mmrec.errors import ConfigError, DataError
from mmrec.rerank.similarity import unit_vectors
from mmrec.steering.critique import NumberCritique, ValueCritique, WordsCritique, contradicts
from mmrec.steering.phrases import OPPOSITES
from mmrec.steering.session import MAX_TURNS, Session
from mmrec.steering.steer import Strengths, beside, standardized, steered_scores
from tests.steering.films import TITLES, Films, Viewer, began, titles


def test_likes_and_dislikes_move_the_list_at_once_and_are_not_listed() -> None:
    assert titles(began()) == TITLES and titles(began(seen=[0])) == TITLES[1:]
    liked = titles(began().like("f3"))
    assert "Clue" not in liked and liked.index("Diner") < liked.index("Brazil")
    disliked = titles(began().dislike("f1"))
    assert "Alien" not in disliked and disliked.index("Fargo") == 4


def test_the_model_moves_the_vector_of_who_likes_something() -> None:
    strengths = Strengths(like=0.0)
    assert titles(Session(Films(), Viewer(likes=5.0), strengths).like("f3"))[:2] == ["Diner", "Fargo"]
    assert titles(Session(Films(), Viewer(likes=0.0), strengths).like("f3")) == [one for one in TITLES if one != "Clue"]


def test_critiques_exclude_or_move() -> None:
    assert titles(began().critique("no drama")) == ["Alien", "Clue", "Fargo"]
    assert titles(began().critique("only comedy")) == ["Clue", "Diner", "Fargo"]
    assert set(titles(began().critique("cheaper"))) == {"Clue", "Evita"}  # below 7.5, the lower median
    assert titles(began().critique("price below 9"))[0] == "Clue"
    assert set(titles(began().critique("newer than Alien"))) == {"Brazil", "Clue", "Diner", "Fargo"}  # Evita has no year
    less = titles(Session(Films(), Viewer(), Strengths(value=1.0)).critique("less sci-fi"))
    assert less.index("Clue") < less.index("Brazil") and set(less) == set(TITLES)
    assert titles(began().critique("something darker"))[:2] == ["Alien", "Brazil"]
    assert titles(began().critique(picture=b"dark", name="x.jpg"))[:2] == ["Alien", "Brazil"]
    assert titles(began().critique("like Diner but cheaper"))[0] == "Clue"


def test_the_newest_of_contradictory_critiques_wins() -> None:
    session = began().critique("less drama").critique("cheaper").critique("more drama")
    assert session.answer == "more of genre Drama; newest critique wins over less of genre Drama"
    assert session.critiques == (NumberCritique("price", True, 7.5), ValueCritique("more", "genre", "Drama"))
    assert titles(session) == titles(began().critique("cheaper").critique("more drama"))
    assert began().critique("darker").critique("brighter").critiques == (WordsCritique("bright"),)
    assert "newest critique wins over only genre Horror" in began().critique("only horror").critique("only comedy").answer
    again = began().critique("dislike Alien").critique("like Alien")
    assert "newest critique wins over you dislike “Alien”" in again.answer and titles(again) == titles(began().like("f1"))
    assert "wins" not in began().critique("cheaper").critique("cheaper").answer


def test_what_contradicts_what() -> None:
    drama, only = ValueCritique("less", "genre", "Drama"), ValueCritique("only", "genre", "Comedy")
    assert contradicts(ValueCritique("only", "genre", "Drama"), only) and contradicts(ValueCritique("more", "genre", "Drama"), only)
    assert not contradicts(drama, only) and not contradicts(ValueCritique("no", "type", "Drama"), drama)
    assert not contradicts(WordsCritique("dark", False), WordsCritique("bright"), OPPOSITES)


def test_undo_takes_back_the_last_turn_and_the_list_is_as_before() -> None:
    session = began().critique("less drama").like("f3")
    before = titles(session)
    session.critique("darker")
    assert session.undo().answer == "undone: darker" and titles(session) == before and len(session.turns) == 2
    assert session.critique("undo").answer == "undone: like f3" and session.undo().undo().answer == "there is nothing to undo"
    assert titles(session) == TITLES


def test_what_is_not_understood_changes_nothing_and_says_what_can_be_said() -> None:
    session = began().critique("less drama")
    for text in ("", "quelque chose", "less of genre Darma", "something xyzzy"):
        before, turns = titles(session), session.turns
        session.critique(text)
        assert titles(session) == before and session.turns == turns
    assert session.critique("").answer.startswith("nothing was said. You can say: like 1, dislike 2, less of genre Comedy, ")
    assert session.critique("less of genre Darma").answer == "the items have no “genre darma”; did you mean genre Drama?"
    assert session.critique("随便").answer.startswith("没有理解“随便”. 您可以说：喜欢1")
    for sentence in ("like 1", "dislike 2", "less of genre Comedy", "only Sci-Fi", "lower price", "something darker"):
        assert began().critique(sentence).turns


def test_answers_are_in_the_language_of_the_person() -> None:
    assert began().critique("不要Drama").answer == "不要genre Drama"
    assert began(language="zh").like("f1").answer == "您喜欢《Alien》"
    with pytest.raises(ConfigError, match=r"language: .*found `fr`"):
        began(language="fr")


def test_a_critique_that_excludes_everything_says_so() -> None:
    session = began().critique("only sci-fi").critique("no horror").critique("price below 5")
    assert session.answer.endswith("no other item is like that; `undo` takes it back") and session.recommend().is_empty()
    assert titles(session.undo()) == ["Brazil"]


def test_a_session_is_bounded_and_mistakes_are_one_message() -> None:
    session = began()
    for _ in range(MAX_TURNS + 5):
        session.like("f1")
    assert len(session.turns) == MAX_TURNS
    with pytest.raises(DataError, match="item: `f9` is not among the items; choose from `f1`, "):
        session.dislike("f9")
    with pytest.raises(ConfigError, match="k: expected at least 1, found 0"):
        session.recommend(0)
    with pytest.raises(ConfigError, match="rerank: nothing is known of the items"):
        session.recommend(2, mmrec.rerank.MMR())
    with pytest.raises(ConfigError, match="picture: it cannot be used"):
        session.critique(picture=b"else")
    assert len(session.turns) == MAX_TURNS


def test_a_list_can_be_reranked() -> None:
    class Content:
        def vectors(self, similarity: str) -> torch.Tensor:
            found = torch.stack([Films().similarities(one) for one in range(len(TITLES))])
            return unit_vectors(found, torch.ones(len(TITLES), dtype=torch.bool))

    session = Session(Films(), Viewer(), content=Content())  # type: ignore[arg-type]
    diverse = session.recommend(3, mmrec.rerank.MMR(trade_off=0.9))["title"].to_list()
    assert diverse[0] == "Alien" and diverse != titles(session, 3)


def test_scores_are_those_of_the_model_in_deviations_plus_what_was_said() -> None:
    films, viewer = Films(), Viewer()
    found = steered_scores(films, viewer, [], [1], [ValueCritique("more", "genre", "Horror")], Strengths(dislike=0.5, value=2.0))
    base = standardized(viewer.scores([]))
    assert torch.allclose(found, base - 0.5 * beside(films.similarities(1), base) + 2.0 * films.with_value("genre", "Horror"))
    assert abs(float((beside(films.similarities(1), base) * base).sum())) < 1e-5
    assert not standardized(torch.ones(3)).any()
