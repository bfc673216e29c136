"""Convert lists, structs and dictionary-encoded values to text."""

import polars as pl

_BETWEEN = ", "
_SHOWN = 8
"""The number of columns that a note names."""


def is_coded(dtype: pl.DataType | pl.datatypes.DataTypeClass) -> bool:
    """Whether a type is dictionary-encoded text, such as the `category` of pandas."""
    return isinstance(dtype, pl.Categorical | pl.Enum)


def is_text_list(dtype: pl.DataType) -> bool:
    """Whether a type is a list of texts, dictionary-encoded or not."""
    return isinstance(dtype, pl.List) and (dtype.inner == pl.String or is_coded(dtype.inner))


def as_text(values: pl.Expr, dtype: pl.DataType | pl.datatypes.DataTypeClass) -> pl.Expr:
    """Convert values of any type to one text each: the elements of lists and structs, at any depth, joined by commas.

    Values that cannot be text, such as bytes that are not UTF-8, become null.
    """
    if isinstance(dtype, pl.Array):
        return as_text(values.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.List):
        return values.list.eval(as_text(pl.element(), dtype.inner)).list.join(_BETWEEN, ignore_nulls=True)
    if isinstance(dtype, pl.Struct):
        inner = [as_text(values.struct.field(field.name), field.dtype) for field in dtype.fields]
        return pl.concat_str(inner, separator=_BETWEEN, ignore_nulls=True) if inner else pl.lit(None, pl.String)
    return values.cast(pl.String, strict=False)


def unused_note(items: pl.DataFrame, image: str | None) -> tuple[str, ...]:
    """A note that names the item columns of lists or bytes, other than `image`, which are not used unless configured."""
    types = {name: dtype for name, dtype in items.schema.items() if name != image}
    unused = [f"`{name}` ({dtype.base_type()})" for name, dtype in types.items() if dtype.is_nested() or dtype == pl.Binary]
    if not unused:
        return ()
    more = f" and {len(unused) - _SHOWN:,} more" if len(unused) > _SHOWN else ""
    verb = "are" if len(unused) > 1 else "is"
    return (f"items: {', '.join(unused[:_SHOWN])}{more} {verb} not used as text unless data.text_columns says so",)
