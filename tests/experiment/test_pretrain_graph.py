"""mmrec.experiment.pretrain_graph: what it writes, that held-out facts are learned, that a run starts from it, and its errors."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli.pretrain import pretrain_command
from mmrec.errors import ConfigError, DataError, MissingFile
from mmrec.experiment.pretrain import Schedule
from mmrec.experiment.pretrain_graph import KINDS, pretrain_graph
from mmrec.experiment.settings import GraphSettings
from mmrec.files.storage import sha256_file
from mmrec.nn.encoders.entity_vectors import read_entity_vectors
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.types import Dataset, Graph

SCHEDULE = Schedule(seed=1, epochs=30, batch_size=64, learning_rate=0.05)
N = 40


def make_dataset(timed: bool = False) -> Dataset:
    """Entities of two groups: each is near all of its own."""
    rows = [(f"e{i}", "near", f"e{j}") for i in range(N) for j in range(N) if i != j and i % 2 == j % 2]
    triples = pl.DataFrame(rows, schema=["head", "relation", "tail"], orient="row")
    if timed:
        triples = triples.with_columns(timestamp=pl.lit(1))
    return Dataset("groups", Path(), pl.DataFrame(), pl.DataFrame({"item_id": ["e0", "e1"]}), (), triples=triples)


@pytest.mark.parametrize("kge", KINDS)
def test_held_out_facts_are_learned_and_the_same_seed_gives_the_same_bytes(kge: str, tmp_path: Path):
    """Filtered, the rivals of a held-out fact are the other group and the few others held out: chance is about the middle of those."""
    outputs = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    cards = [pretrain_graph(make_dataset(), GraphSettings(), kge, 8, output, SCHEDULE) for output in outputs]
    assert sha256_file(outputs[0]) == sha256_file(outputs[1])
    assert json.loads(outputs[0].with_suffix(".json").read_text()) == cards[0]
    assert (cards[0]["n_entities"], cards[0]["n_triples"] + cards[0]["n_held_out"]) == (N, 760)
    assert cards[0]["mrr"] > 2 * cards[0]["mrr_of_equal_scores"] and cards[0]["hits@10"] > 0.6
    vectors, names = read_entity_vectors(outputs[0])
    assert vectors.shape == (N, 8) and names == sorted(f"e{i}" for i in range(N))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("kge", KINDS)
def test_two_threads_give_the_same_bytes(kge: str, tmp_path: Path):
    """All facts in one batch, of vectors long enough for threads to share the work."""
    outputs = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for output in outputs:
        pretrain_graph(make_dataset(), GraphSettings(), kge, 64, output, Schedule(seed=1, epochs=3, batch_size=1024, learning_rate=0.05))
    assert sha256_file(outputs[0]) == sha256_file(outputs[1])


def test_literals_are_no_entities(tmp_path: Path):
    dataset = make_dataset()
    year = pl.DataFrame({"head": ["e0", "e2"], "relation": "year", "tail": ["1995", "1996"], "datatype": "gYear"})
    triples = pl.concat([dataset.triples.with_columns(datatype=pl.lit(None, pl.String)), year])
    card = pretrain_graph(replace(dataset, triples=triples), GraphSettings(), "transe", 8, tmp_path / "v.safetensors", SCHEDULE)
    assert (card["n_entities"], card["n_relations"]) == (N, 1)


def test_an_encoder_starts_from_the_vectors_by_name_and_draws_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    output = tmp_path / "v.safetensors"
    pretrain_graph(make_dataset(), GraphSettings(), "distmult", 8, output, SCHEDULE)
    vectors, names = read_entity_vectors(output)
    graph = Graph(torch.tensor([[0], [1]]), torch.tensor([0]), 3, 1, torch.tensor([0]), ("e7", "unknown", "e3"))
    torch.manual_seed(5)
    drawn = CompGCNEncoder(graph, 8, n_layers=1, dropout=0.0)
    torch.manual_seed(5)
    with caplog.at_level("INFO"):
        started = CompGCNEncoder(graph, 8, n_layers=1, dropout=0.0, pretrained=str(output))
    assert "2 of 3 entities have vectors" in caplog.text
    assert torch.equal(started.entities[1], drawn.entities[1])
    for entity, name in ((0, "e7"), (2, "e3")):
        cosine = torch.cosine_similarity(started.entities[entity], vectors[names.index(name)], dim=0)
        assert cosine.item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(started.relations, drawn.relations)  # what is drawn after is the same
    with pytest.raises(ConfigError, match=r"expected vectors of 6 numbers, .* has 8; pretrain with embedding_dim=6"):
        CompGCNEncoder(graph, 6, n_layers=1, dropout=0.0, pretrained=str(output))


def test_files_that_are_none_are_refused(tmp_path: Path):
    graph = Graph(torch.tensor([[0], [1]]), torch.tensor([0]), 2, 1, torch.tensor([0]))
    with pytest.raises(MissingFile, match=r"kg_encoder\.pretrained: expected a file"):
        CompGCNEncoder(graph, 8, n_layers=1, dropout=0.0, pretrained=str(tmp_path / "none.safetensors"))
    (tmp_path / "x.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ConfigError, match="has no entity vectors"):
        CompGCNEncoder(graph, 8, n_layers=1, dropout=0.0, pretrained=str(tmp_path / "x.safetensors"))


def test_settings_and_data_that_cannot_be_are_refused(tmp_path: Path):
    output = tmp_path / "v.safetensors"
    with pytest.raises(ConfigError, match="kge: expected one of transe, distmult, complex, rotate, found transx"):
        pretrain_graph(make_dataset(), GraphSettings(), "transx", 8, output, SCHEDULE)
    with pytest.raises(ConfigError, match="embedding_dim: expected an even number for rotate"):
        pretrain_graph(make_dataset(), GraphSettings(), "rotate", 7, output, SCHEDULE)
    with pytest.raises(ConfigError, match=r"ends in \.safetensors"):
        pretrain_graph(make_dataset(), GraphSettings(), "transe", 8, tmp_path / "v.pt", SCHEDULE)
    with pytest.raises(DataError, match="may be later than a split"):
        pretrain_graph(make_dataset(timed=True), GraphSettings(), "transe", 8, output, SCHEDULE)
    few = Dataset("few", Path(), pl.DataFrame(), pl.DataFrame({"item_id": ["a"]}), ())
    with pytest.raises(DataError, match="at least 20 triples, found 0"):
        pretrain_graph(few, GraphSettings(), "transe", 8, output, SCHEDULE)


def test_the_command_takes_the_graph_of_a_folder(compose: Callable[..., DictConfig], tmp_path: Path):
    (tmp_path / "shop").mkdir()
    make_dataset().triples.write_csv(tmp_path / "shop" / "triples.csv")
    (tmp_path / "shop" / "interactions.csv").write_text("user_id,item_id\nu,e0\nv,e1\n")
    words = ["pretrain=kg", "data=folder", f"data.path={tmp_path / 'shop'}", "epochs=1", "embedding_dim=8", "kge=distmult"]
    card = pretrain_command(compose(*words, f"output={tmp_path / 'v.safetensors'}", name="pretrain"))
    assert card["kge"] == "distmult" and (tmp_path / "v.safetensors").is_file()
