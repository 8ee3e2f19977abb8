"""Elements of HTML and SVG from Python: what is not markup already is escaped, so that no photo's name can do harm."""

from html import escape

_VOID = frozenset({"br", "col", "img", "meta"})  # elements of HTML that have no end tag


class Markup(str):
    """Text that is markup already, and is not escaped again."""

    __slots__ = ()


def element(name: str, /, *content: str, **attributes: str | float) -> Markup:
    """Return an element with its content one after the other; attributes that are Python words end in `_`.

    An underscore inside an attribute's name stands for a hyphen.

    >>> element("td", "a < b", element("br"), class_="number", aria_label='"so"')
    '<td class="number" aria-label="&quot;so&quot;">a &lt; b<br></td>'
    """
    parts = [f' {key.rstrip("_").replace("_", "-")}="{escape(_text(value))}"' for key, value in attributes.items()]
    start = f"<{name}{''.join(parts)}>"
    return Markup(start if name in _VOID else f"{start}{joined(*content)}</{name}>")


def joined(*content: str) -> Markup:
    """Return pieces of markup and text, one after the other; text is escaped."""
    return Markup("".join(one if isinstance(one, Markup) else escape(one) for one in content))


def _text(value: str | float) -> str:
    """Return a value as an attribute holds it: a hundredth of a unit is far below what can be seen."""
    return value if isinstance(value, str) else f"{round(value, 2):g}"
