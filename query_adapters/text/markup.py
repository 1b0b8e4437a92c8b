"""Put text of unknown origin into HTML and Markdown as text, never as markup."""

import html
import re

from query_adapters.text.shown import one_line, shortened, visible

MAX_NAME = 300  # characters of a name or an id in HTML
MARKDOWN = re.compile(
    r"[\\`*\[\]|~$]"  # what Markdown reads anywhere
    r"|(?<![^\W_])_|_(?![^\W_])"  # inside a word, an underscore is one
    r"|#+$"  # the end of a heading
)
AT_START = re.compile(r"^(#{1,6}|[+\-=]+)(?=\s|$)")  # of a heading, a list or a rule
NUMBERED = re.compile(r"^(\d+)(?=[.)](\s|$))")
LINKED = re.compile(r"//|www\.|(?<!\w)@|@(?=[\w.-]*\.[A-Za-z])")  # links, mentions, addresses


def html_text(text: str, limit: int = MAX_NAME) -> str:
    """Return the text for the content or an attribute of an element, shortened to `limit`."""
    return html.escape(visible(shortened(text, limit)))


def markdown_text(text: str, limit: int = MAX_NAME) -> str:
    """Return the text for one line of Markdown, without line breaks, markup, HTML and links."""
    escaped = MARKDOWN.sub(r"\\\g<0>", html.escape(one_line(shortened(text, limit)), quote=False))
    escaped = NUMBERED.sub(r"\1\\", AT_START.sub(r"\\\1", escaped))
    return LINKED.sub(_entity, escaped)


def _entity(match: re.Match[str]) -> str:
    linked = match.group()
    return f"&#{ord(linked[0])};{linked[1:]}"
