"""What is text is escaped, what is markup is not."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from spica.report.markup import Markup, element, joined


class Read(HTMLParser):
    """What a reader sees: the elements, their attributes, the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# Without carriage return, which readers of HTML turn into a line feed.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)


@given(texts, texts)
def test_any_text_and_any_attribute_is_read_as_it_was_written(text: str, value: str) -> None:
    read = Read(element("p", text, title=value))
    assert read.elements == [("p", {"title": value})]
    assert read.text == text


def test_markup_is_not_escaped_again() -> None:
    assert joined("<", element("b", "<"), Markup("<br>")) == "&lt;<b>&lt;</b><br>"


def test_numbers_of_attributes_have_two_digits() -> None:
    assert element("rect", x=1 / 3, y=12.0, width=1234.567) == '<rect x="0.33" y="12" width="1234.57"></rect>'
