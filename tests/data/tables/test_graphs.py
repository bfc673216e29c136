"""Triples from N-Triples, Turtle and GraphML: what becomes an entity, and what every mistake in them says."""

import gzip
from pathlib import Path

import networkx as nx
import polars as pl
import pyarrow as pa
import pytest

from mmrec.data.folder.expected_tables import TABLES
from mmrec.data.folder.read import read_folder
from mmrec.data.tables.columns import read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.graphs import node_links
from mmrec.data.tables.problems import DataProblems, Problems
from mmrec.errors import DataError
from mmrec.files.locate import find_table
from mmrec.kg.graph import build_graph, write_graphml

GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n{}\n</graphml>\n'
NT = """\
# films
<http://x/a> <http://x/by> "Ann Lee"@en .
<http://x/b> <http://x/by> "Ann Lee" .

<http://x/a> <http://x/year> "1995"^^<http://www.w3.org/2001/XMLSchema#integer> .
_:who <http://x/saw> <http://x/a> . # a comment
"""
XSD = "http://www.w3.org/2001/XMLSchema#"
NT_ROWS = [
    ("http://x/a", "http://x/by", "Ann Lee", "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString"),
    ("http://x/b", "http://x/by", "Ann Lee", f"{XSD}string"),
    ("http://x/a", "http://x/year", "1995", f"{XSD}integer"),
    ("_:who", "http://x/saw", "http://x/a", None),
]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path) -> list[tuple]:
    return open_table(path).frame.rows()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("triples.nt", NT.encode()),
        ("triples.nt", ("\ufeff" + NT.replace("\n", "\r\n")).encode()),
        ("triples.nt", NT.encode("utf-16")),
        ("triples.nt.gz", gzip.compress(NT.encode())),
    ],
)
def test_ntriples(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path, name, content)
    assert find_table(tmp_path, "triples") == path
    assert open_table(path).columns == ["head", "relation", "tail", "datatype"]
    assert rows(path) == NT_ROWS


@pytest.mark.parametrize("name", ["t.nt", "t.ttl", "t.graphml"])
def test_compressed(tmp_path: Path, name: str) -> None:
    content = graphml(f'<graph>{NODES}<edge source="a" target="b"><data key="label">r</data></edge></graph>') if "ml" in name else NT
    plain = write(tmp_path, name, content)
    zst = tmp_path / f"{name}.zst"
    with pa.CompressedOutputStream(str(zst), "zstd") as stream:
        stream.write(content.encode())
    assert open_table(zst).frame["relation"].equals(open_table(plain).frame["relation"])


def test_places_of_ntriples_are_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "triples.nt", NT)
    assert open_table(path).places([0, 2, 3]) == [f"{path}:2", f"{path}:5", f"{path}:6"]


def test_many_blocks_of_lines(tmp_path: Path) -> None:
    n = 25_001
    path = write(tmp_path, "triples.nt", "".join(f"<http://x/{i}> <http://x/next> <http://x/{i + 1}> .\n" for i in range(n)))
    frame = open_table(path).frame
    assert len(frame) == n
    assert frame.row(n - 1) == (f"http://x/{n - 1}", "http://x/next", f"http://x/{n}", None)


def test_a_broken_line_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = NT.splitlines()
    lines[2:2] = ["<http://x/a> <http://x/by> .", "<http://x/a> <http://x/by> <http://x/c>"]
    path = write(tmp_path, "triples.nt", "\n".join(lines))
    table, problems = open_table(path), Problems()
    assert table.salvage(problems).collect().rows() == NT_ROWS
    assert table.broken == (3, 4)
    assert table.broken_texts()[0] == (f"{path}:3", "<http://x/a> <http://x/by> .")
    assert table.places([1, 3]) == [f"{path}:5", f"{path}:8"]
    assert [one.place.rpartition(":")[0] for one in problems.shown] == [f"{path}:3", f"{path}:4"]
    assert problems.counts == {("no-triple", str(path)): 2}
    with pytest.raises(DataProblems, match=r"triples.nt:3:\d+: The object of a triple must be an IRI.*\[no-triple\]"):
        _ = open_table(path).frame


def test_ntriples_that_are_not_utf_8(tmp_path: Path) -> None:
    text = "<http://x/a> <http://x/by> \"Élodie Böhm, née Müller, à l'été où naquît l'âme\" .\n"
    table = open_table(write(tmp_path, "triples.nt", text.encode("cp1252")))
    assert table.salvage(Problems()).collect()["tail"][0].startswith("Élodie Böhm")
    assert "was read as" in table.notes[0]


def test_an_empty_literal_is_no_entity(tmp_path: Path) -> None:
    path = write(tmp_path, "triples.nt", NT + '<http://x/a> <http://x/by> "" .\n')
    problems = Problems()
    table = read_table(open_table(path), TABLES["triples"], problems)
    assert table.frame.rows() == NT_ROWS
    assert str(problems) == f"{path}:7:tail: expected an id (any text, or a whole number), found nothing [no-id]"


TURTLE = """\
@prefix x: <http://x/> .
x:a x:by "Ann", x:c ; x:made [ x:in 1995 ] .
x:b x:made _:that, [] .
"""


@pytest.mark.parametrize("content", [TURTLE.encode(), b"\xef\xbb\xbf" + TURTLE.encode()])
def test_turtle(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, "triples.ttl", content)
    found = rows(path)
    assert sorted(found) == sorted(
        [
            ("http://x/a", "http://x/by", "Ann", f"{XSD}string"),
            ("http://x/a", "http://x/by", "http://x/c", None),
            ("_:triples.ttl:1", "http://x/in", "1995", f"{XSD}integer"),
            ("http://x/a", "http://x/made", "_:triples.ttl:1", None),
            ("http://x/b", "http://x/made", "_:triples.ttl:2", None),
            ("http://x/b", "http://x/made", "_:triples.ttl:3", None),
        ]
    )
    assert rows(path) == found
    assert open_table(path).place(2) == f"{path}:triple 3"


def test_blank_nodes_of_two_files_are_not_one(tmp_path: Path) -> None:
    folder = tmp_path / "triples"
    folder.mkdir()
    for name in ("a.ttl", "b.ttl"):
        write(folder, name, "@prefix x: <http://x/> . x:a x:made [] .")
    assert open_table(folder).frame["tail"].to_list() == ["_:a.ttl:1", "_:b.ttl:1"]


@pytest.mark.parametrize("suffix", ["nt", "nt.gz", "ttl"])
@pytest.mark.parametrize("names", [("a", "b"), ("2023/a", "2024/a")])
def test_a_label_means_another_blank_node_in_each_file(tmp_path: Path, suffix: str, names: tuple[str, str]) -> None:
    content = b"<http://x/a> <http://x/made> _:b1 .\n_:b1 <http://x/by> <http://x/c> .\n"
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path, f"{name}.{suffix}", gzip.compress(content) if suffix.endswith("gz") else content)
    found = open_table(tmp_path / ("*/" * ("/" in names[0]) + f"*.{suffix}")).frame
    label = "1" if suffix == "ttl" else "b1"
    one, other = (f"_:{name}.{suffix}:{label}" for name in names)
    assert found["tail"].to_list()[::2] == found["head"].to_list()[1::2] == [one, other]


def test_a_triple_about_a_triple(tmp_path: Path) -> None:
    path = write(tmp_path, "triples.nt", "<http://x/me> <http://x/says> <<( <http://x/a> <http://x/by> _:b )>> .\n")
    assert rows(path) == [("http://x/me", "http://x/says", "<<( http://x/a http://x/by _:b )>>", None)]


def graphml(body: str) -> str:
    return GRAPHML.format(body)


def test_graphml_by_hand(tmp_path: Path) -> None:
    body = """<key id="k0" for="node" attr.name="label"/>
<key id="k1" for="edge" attr.name="Edge Label"><default>knows</default></key>
<key id="since" for="edge"/>
<graph edgedefault="directed">
<edge source="n1" target="n2"/>
<node id="n1"><data key="k0">Ann &amp; Bo</data></node><node id="n2"/>
<node id="n3"><data key="k0"> </data></node>
<edge
  source="n2"
  target="n3"><data key="k1">likes</data><data key="since">1995</data></edge>
</graph>"""
    table = open_table(write(tmp_path, "triples.graphml", graphml(body)))
    assert table.columns == ["head", "relation", "tail", "datatype", "Edge Label", "since"]
    assert table.frame.rows() == [("Ann & Bo", "knows", "n2", None, "knows", None), ("n2", "likes", "n3", None, "likes", "1995")]
    assert table.places([0, 1]) == [f"{table.path}:6", f"{table.path}:11"]


def test_nodes_that_share_a_label_stay_two(tmp_path: Path) -> None:
    network = nx.MultiDiGraph()
    network.add_nodes_from([("p1", {"label": "Paris"}), ("p2", {"label": "Paris"}), ("t", {"label": "Texas"})])
    network.add_edge("p1", "t", relation="in")
    nx.write_graphml_xml(network, tmp_path / "triples.graphml")
    table = open_table(tmp_path / "triples.graphml")
    assert table.frame.rows()[0][:3] == ("p1", "in", "Texas")
    assert table.notes == (f"2 nodes of {table.path} share their label with another and go by their id",)


@pytest.mark.parametrize("key", ["relation", "label", "Edge Label", "Label"])
@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiDiGraph])
def test_graphml_of_networkx_and_gephi(tmp_path: Path, key: str, kind: type) -> None:
    network = kind()
    network.add_edge("a", "b", **{key: "like", "weight": 2.5})
    nx.write_graphml_xml(network, tmp_path / "triples.graphml")
    assert open_table(tmp_path / "triples.graphml").frame.select("head", "relation", "tail").rows() == [("a", "like", "b")]


def test_an_edge_without_a_relation_is_a_problem(tmp_path: Path) -> None:
    body = '<graph><node id="a"/><node id="b"/>\n<edge source="a" target="b"/>\n</graph>'
    write(tmp_path, "triples.graphml", graphml(body))
    write(tmp_path, "interactions.csv", "user_id,item_id\nu,a\n")
    with pytest.raises(DataProblems, match=r"triples.graphml:3:relation: expected an id .*, found nothing"):
        read_folder(str(tmp_path))


NODES = '<node id="a"/><node id="b"/>'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.ttl", TURTLE + "x:a x:by", r"t.ttl:4:\d+: not Turtle: "),
        ("t.ttl", "<a> <b> <c> .", r"t.ttl:1:1: not Turtle: No scheme found"),
        ("t.graphml", graphml("<graph>\n<node>"), r"t.graphml:4:\d+: not GraphML: mismatched tag"),
        ("t.graphml", "", r"t.graphml:1:\d+: not GraphML: no element found"),
        ("t.graphml", "<html/>", "t.graphml:1: expected GraphML, found the element `html`"),
        ("t.graphml", '<!DOCTYPE x [<!ENTITY e "e">]>\n' + graphml("&e;"), "t.graphml:1: GraphML with a document type or entities"),
        ("t.graphml", "<!DOCTYPE graphml>\n" + graphml("<graph/>"), "t.graphml:1: GraphML with a document type or entities"),
        ("t.graphml", graphml("<graph>\n<node/></graph>"), "t.graphml:3: expected the attribute `id`, this `node` has none"),
        ("t.graphml", graphml(f'<graph>{NODES}\n<edge source="a"/></graph>'), "t.graphml:3: expected the attribute `target`"),
        (
            "t.graphml",
            graphml(f'<graph>{NODES}\n<edge source="a" target="bb"/></graph>'),
            "t.graphml:3: expected a node of this file, found `bb`; did you mean `b`",
        ),
        ("t.graphml", graphml(f"<graph>{NODES}\n\n<hyperedge/></graph>"), "t.graphml:4: expected edges between two nodes"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, name: str, content: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        _ = open_table(write(tmp_path, name, content)).frame


def test_what_mmrec_exports_it_reads_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write(folder, "interactions.csv", "user_id,item_id\nu,a\nu,b c\nu,d\n")
    write(first, "items.csv", "item_id,genre\na,Drama\nb c,Comedy & <Crime>\nd,Drama\n")
    write(first, "triples.csv", "head,relation,tail\nE1,by,Ann Lee\nE2,by,Ann Lee\nE1,by,E2\n")
    write(first, "item_entities.csv", "item_id,entity\na,E1\nb c,E2\n")
    graph = build_graph(read_folder(str(first)), ["genre"], ", ")
    write_graphml(graph, second / "triples.graphml")
    again = build_graph(read_folder(str(second)), [], "")
    assert again.triples == graph.triples
    assert again.item_entity == graph.item_entity == {"a": "E1", "b c": "E2", "d": "item:d"}
    write(second, "item_entities.csv", "item_id,entity\nd,E2\n")
    assert build_graph(read_folder(str(second)), [], "").item_entity == {"d": "E2"}


def test_literals_survive_the_round_trip(tmp_path: Path) -> None:
    """A number and a name that two share, and a text of one item; a literal may be called as an entity is."""
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write(folder, "interactions.csv", "user_id,item_id\nu,http://x/a\nu,http://x/b\n")
    more = f'<http://x/a> <http://x/label> "http://x/b" .\n<http://x/b> <http://x/year> "1995"^^<{XSD}integer> .\n'
    write(first, "triples.nt", NT + more)
    graph = build_graph(read_folder(str(first)), [], "")
    assert [one[:3] for one in graph.literals] == [
        ("http://x/a", "http://x/label", "http://x/b"),
        ("http://x/a", "http://x/year", "1995"),
        ("http://x/b", "http://x/year", "1995"),
    ]
    assert [tail for _, _, tail in graph.triples] == ["http://x/a", "Ann Lee", "http://x/year:1995", "Ann Lee", "http://x/year:1995"]
    write_graphml(graph, second / "triples.graphml")
    again = build_graph(read_folder(str(second)), [], "")
    assert (again.triples, again.literals, again.item_entity) == (graph.triples, graph.literals, graph.item_entity)


def test_node_links_of_known_items_alone(tmp_path: Path) -> None:
    body = """<key id="i" for="node" attr.name="item_id"/><key id="l" for="node" attr.name="label"/><graph>
<node id="n0"><data key="l">X</data><data key="i">a b</data></node><node id="n1"><data key="i">c d</data></node>
<edge source="n0" target="n1"><data key="label">r</data></edge></graph>"""
    folder = tmp_path / "triples"
    folder.mkdir()
    write(folder, "1.graphml", graphml(body))
    links = node_links(open_table(folder), {"a", "b", "c d"})
    assert links is not None
    assert links.rows() == [("a", "X"), ("b", "X"), ("c d", "n1")]
    assert node_links(open_table(folder), {"z"}) is None


def test_a_long_line_of_graphml_and_its_places(tmp_path: Path) -> None:
    edges = "".join('<edge source="a" target="b"><data key="label">r</data></edge>' for _ in range(2000))
    table = open_table(write(tmp_path, "t.graphml", graphml(f"<graph>{NODES}{edges}</graph>")))
    assert len(table.frame) == 2000
    assert table.place(1999) == f"{table.path}:2"


def test_columns_of_an_edge_go_by_the_names_of_the_configuration(tmp_path: Path) -> None:
    body = f'<graph>{NODES}<edge source="a" target="b"><data key="kind">r</data><data key="since">1995-01-01</data></edge></graph>'
    write(tmp_path, "triples.graphml", graphml(body))
    write(tmp_path, "interactions.csv", "user_id,item_id\nu,a\n")
    dataset = read_folder(str(tmp_path), columns={"relation": "kind", "timestamp": "since"})
    assert isinstance(dataset.triples, pl.DataFrame)
    assert dataset.triples.rows() == [("a", "r", "b", 788918400)]
