"""Format numbers for tables, pages and sentences."""


def format_value(value: float | None) -> str:
    """Four decimals; a dash for None."""
    return "–" if value is None else f"{value:.4f}"


def format_signed(value: float) -> str:
    """Four decimals with a sign: `+0.0120`, `−0.0040`, `0.0000`."""
    text = f"{value:+.4f}".replace("-", "−")
    return "0.0000" if text[1:] == "0.0000" else text


def format_percent(ratio: float | None) -> str:
    """A signed percentage with one decimal: `+1.2%`, `−0.4%`, `0.0%`."""
    if ratio is None:
        return "–"
    text = f"{abs(ratio):.1%}"
    sign = "" if text == "0.0%" else "+" if ratio > 0 else "−"
    return sign + text


def format_duration(seconds: float | int) -> str:
    """A duration: `8.2 s`, `3 min 12 s`, `2 h 05 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def format_p(p_value: float) -> str:
    """A p-value: `p = .004`, `p < .001`."""
    return "p < .001" if p_value < 0.001 else f"p = {without_zero(p_value, 3)}"


def without_zero(value: float, decimals: int) -> str:
    """A number without a leading zero: `.12`, `−.12`, `1.00`."""
    text = f"{abs(value):.{decimals}f}"
    return ("−" if value < 0 and float(text) else "") + (text[1:] if text.startswith("0") else text)
