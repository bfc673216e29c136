"""Templates of texts about users: what they say, what they may not do, and the shipped ones."""

from pathlib import Path

import pytest
import yaml

from mmrec.data.features.user_template import UserTemplate
from mmrec.errors import ConfigError

CONF = Path(__file__).resolve().parents[3] / "conf" / "user_text"
TITLES, RATINGS = ["Alien", "Brazil", "Cube"], [5.0, 1.0, 3.0]


def test_the_default_names_what_is_liked_and_disliked_newest_last_and_the_profile() -> None:
    template = UserTemplate()
    assert template.render(TITLES, RATINGS, {"age": 24.0, "job": None, "sex": "F"}) == "liked Alien. disliked Brazil. age 24. sex F."
    assert template.render(TITLES, [None, None, None], {}) == "liked Alien; Brazil; Cube."
    assert UserTemplate(max_items=1, liked_from=None).render(TITLES, RATINGS, {}) == "liked Cube."
    assert UserTemplate(disliked_to=None).render(TITLES, RATINGS, {}) == "liked Alien."


def test_the_chinese_one_says_the_same() -> None:
    template = UserTemplate(yaml.safe_load((CONF / "chinese.yaml").read_text(encoding="utf-8"))["template"])
    assert template.render(["异形", "巴西"], [5.0, 1.0], {"年龄": 24.0}) == "喜欢：异形。不喜欢：巴西。年龄：24。"


def test_nothing_known_is_no_text_whatever_the_template_says() -> None:
    assert UserTemplate("a person").render([], [], {"age": None}) is None
    assert UserTemplate("a person").render([], [], {"age": 3}) == "a person"
    assert UserTemplate("{{ age }} ").render(["Alien"], [None], {"age": None}) is None


def test_columns_ranges_of_numbers_and_items_with_ratings() -> None:
    template = UserTemplate(
        "{{ age | band(10, 5) }}, {{ user['zip code'] }}{% for one in history %} {{ one.title }} {{ one.rating }}{% endfor %}"
    )
    assert template.render(["Alien"], [4.5], {"age": 30.0, "zip code": "7"}) == "25-34, 7 Alien 4.5"
    assert UserTemplate("{{ age | band(10) }}").render(["Alien"], [1.0], {"age": None}) is None


def test_titles_are_words_and_no_templates() -> None:
    assert UserTemplate("{{ titles[0] }}").render(["{{ 1 + 1 }}"], [None], {}) == "{{ 1 + 1 }}"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for one in range(1000000000) %}x{% endfor %}", r"line 1: calls such as `range\(…\)` are not allowed"),
        ("{% for one in titles recursive %}{{ loop(titles) }}{% endfor %}", "calls such as"),
        ("{{ 'x' * 1000000000 }}", "line 1: `mul` is not allowed"),
        ("{{ 9 ** 9999999 }}", "`pow` is not allowed"),
        ("{% set a = titles %}", "`assign` is not allowed"),
        ("{% include '/etc/passwd' %}", "`include` is not allowed"),
        ("\n{{ titles.__class__ }}", "line 2: attributes such as `__class__` are not allowed"),
        ("{{ titles['__class__'] }}", "attributes such as `__class__` are not allowed"),
        ("{{ titles | jion }}", "no filter `jion`; did you mean `join`"),
        ("{{ titles | join(titles | join(titles | join(titles | join))) }}", "filters nested at most 3 deep, found 4"),
        (
            "{% for a in titles %}{% for b in titles %}{% for c in titles %}{% for d in titles %}{% endfor %}" + "{% endfor %}" * 3,
            "loops nested",
        ),
        ("{{ titles", "line 1: unexpected end of template"),
        ("x" * 10_001, "at most 10,000 characters"),
    ],
)
def test_what_may_not_be_done(template: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^user_text\.template: .*{says}"):
        UserTemplate(template)


def test_attributes_that_are_put_together_are_refused_by_the_sandbox() -> None:
    with pytest.raises(ConfigError, match=r"^user_text\.template: .*unsafe"):
        UserTemplate("{{ titles['__cl' ~ 'ass__'] }}").render(TITLES, RATINGS, {})


def test_unknown_names_have_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"no `agee` among the columns of the users; did you mean `age`"):
        UserTemplate("{{ agee }}").check_columns(["age"])
    for template, nearest in (("{{ history[0].titel }}", "title"), ("{{ user.agee }}", "age"), ("{{ user['agee'] }}", "age")):
        with pytest.raises(ConfigError, match=rf"did you mean `{nearest}`"):
            UserTemplate(template).render(TITLES, RATINGS, {"age": 3})
    with pytest.raises(ConfigError, match="unsupported operand"):
        UserTemplate("{{ age + 'x' }}").render(TITLES, RATINGS, {"age": 3})


def test_sizes_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"user_text\.max_items: expected at least 1, found 0"):
        UserTemplate(max_items=0)
    with pytest.raises(ConfigError, match=r"user_text\.n_folds: expected at least 1, found 0"):
        UserTemplate(n_folds=0)
