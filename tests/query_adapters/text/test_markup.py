"""Tests of text in HTML and Markdown, which parsers of both must read as text."""

from html.parser import HTMLParser

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from query_adapters.text.markup import html_text, markdown_text
from query_adapters.text.shown import one_line, visible

TEXT = st.text(st.characters()) | st.text("<>&\"'/*_`[]()!#-+=|~\\:.1@ \n$w", max_size=12)


class Parts(HTMLParser):
    """Keeps what a page holds: its elements with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT)
@example("</p><script>alert(1)</script>")
@example('" onload="alert(1)')
def test_html_holds_the_text_and_nothing_else(text: str) -> None:
    parts = Parts()
    parts.feed(f'<p title="{html_text(text)}">{html_text(text)}</p>')
    parts.close()
    assert parts.elements == [("p", {"title": visible(text)})]
    assert parts.text == visible(text)


@given(TEXT)
@example("# title")
@example("1. one")
@example("[a](javascript:b)")
@example("<b onclick=x>")
@example("---\nname: value")
@example("* a\n===")
@example("```")
@example("a ##")
def test_markdown_holds_the_text_and_nothing_else(text: str) -> None:
    for prefix in ("", "- ", "# "):
        tokens = (
            MarkdownIt("commonmark")
            .enable(["table", "strikethrough"])
            .parse(prefix + markdown_text(text))
        )
        inline = [token for token in tokens if token.type == "inline"]
        kinds = {child.type for token in inline for child in token.children or ()}
        assert kinds <= {"text"}
        assert len(inline) <= 1
        read = "".join(child.content for token in inline for child in token.children or ())
        assert read == one_line(text)


def test_markdown_has_no_addresses_that_become_links() -> None:
    for text in ("https://a.b/c", "www.a.b", "mail a@b.co", "@user", "ftp://a", "//a.b"):
        shown = markdown_text(text)
        assert not any(part in shown for part in ("//", "www.", "@"))
    assert markdown_text("ndcg@10 of all-MiniLM-L6-v2 (+0.02)") == (
        "ndcg@10 of all-MiniLM-L6-v2 (+0.02)"
    )
