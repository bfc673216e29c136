"""Triples of RDF as rows `head, relation, tail, datatype`, parsed by pyoxigraph."""

from collections.abc import Callable, Iterator
from io import BufferedReader

from mmrec.extras import needs

with needs("graph", "reading RDF (.nt, .ttl)"):
    from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, parse

Row = tuple[str, str, str, str | None]


def n_triples(text: str, blank: Callable[[str], str]) -> Iterator[Row]:
    """The triples of N-Triples; `blank` names a blank node by its label. Raises SyntaxError where the text is none."""
    return _rows(text, RdfFormat.N_TRIPLES, blank)


def turtle(file: BufferedReader, blank: Callable[[str], str]) -> Iterator[Row]:
    """The same of a file of Turtle."""
    return _rows(file, RdfFormat.TURTLE, blank)


def _rows(source: str | BufferedReader, form: RdfFormat, blank: Callable[[str], str]) -> Iterator[Row]:
    for quad in parse(source, form):
        datatype = quad.object.datatype.value if isinstance(quad.object, Literal) else None
        yield _entity(quad.subject, blank), quad.predicate.value, _entity(quad.object, blank), datatype


def _entity(term: NamedNode | BlankNode | Literal | Triple, blank: Callable[[str], str]) -> str:
    if isinstance(term, BlankNode):
        return blank(term.value)
    if isinstance(term, Triple):
        return f"<<( {_entity(term.subject, blank)} {term.predicate.value} {_entity(term.object, blank)} )>>"
    return term.value
