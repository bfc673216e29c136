"""`mmrec data graph`: what it prints, returns and writes for a folder, and what it says where there is no graph."""

from collections.abc import Callable
from pathlib import Path

import networkx as nx
import pytest
from omegaconf import DictConfig

from mmrec.cli.data.graph import graph_command
from mmrec.errors import DataError

Compose = Callable[..., DictConfig]


def test_it_prints_writes_and_returns(compose: Compose, shop_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "graph.graphml"
    found = graph_command(compose("data=folder", f"data.path={shop_folder}", f"output={output}", name="graph"))
    printed = capsys.readouterr().out
    assert found["triples"] == 2 * 38 and found["items_outside"] == 2
    assert "items outside" in printed and "of_kind" in printed and "made_by" in printed
    assert nx.read_graphml(output).number_of_nodes() == found["entities"] == 38 + 2 + 6


def test_pruned_entities_are_gone(compose: Compose, shop_folder: Path) -> None:
    found = graph_command(compose("data=folder", f"data.path={shop_folder}", "graph.min_degree=10", name="graph"))
    assert found["entities"] == 38 + 2


def test_a_folder_without_triples_is_one_message(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\nu,i\n")
    with pytest.raises(DataError, match="has no triples"):
        graph_command(compose("data=folder", f"data.path={tmp_path}", name="graph"))
