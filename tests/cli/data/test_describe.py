"""`mmrec data describe`: what it prints, returns and writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.charts.embed import FIGURE
from mmrec.cli.data.describe import describe_command
from mmrec.errors import ConfigError, DataError
from tests.pages import Page

Compose = Callable[..., DictConfig]


def test_it_prints_writes_and_returns(compose: Compose, shop_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "page.html"
    found = describe_command(compose("data=folder", f"data.path={shop_folder}", "examples=3", f"output={output}", name="describe"))
    printed = " ".join(capsys.readouterr().out.split())
    assert (found.n_users, found.n_items, len(found.examples)) == (60, 40, 3)
    for said in (f"{found.n_interactions:,}", "of_kind", "text", "image", "kg", "user", "page: "):
        assert said in printed
    page = output.read_text(encoding="utf-8")
    assert page.count(FIGURE) == 3 and len(Page(page).all("img")) == sum(not one.item_id.endswith("8") for one in found.examples)


def test_ids_that_look_like_markup_are_printed_as_they_are(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n[red]u,[/]i\n[red]u,[bold]j\n")
    (tmp_path / "items.csv").write_text("item_id,title\n[/]i,[link=x]lamp[/link]\n")
    describe_command(compose("data=folder", f"data.path={tmp_path}", name="describe"))
    printed = capsys.readouterr().out
    assert "[red]u" in printed and "[/]i" in printed and "[link=x]lamp[/link]" in printed


def test_bad_data_and_bad_values_are_one_message(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id,timestamp\na,b,noon\n")
    with pytest.raises(DataError, match=r"interactions.csv:2:timestamp: expected a time"):
        describe_command(compose("data=folder", f"data.path={tmp_path}", name="describe"))
    with pytest.raises(ConfigError, match="examples: expected at least 0"):
        describe_command(compose("data=folder", f"data.path={tmp_path}", "examples=-1", name="describe"))
