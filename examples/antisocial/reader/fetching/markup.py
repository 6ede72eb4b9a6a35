"""Strangers' HTML before a parser sees it: what costs a parser the square of its length is only its text.

A parser walks through all open elements at many a tag, and at a new block repeats the formatting that is still open: a
few kilobytes can be hours of work or gigabytes. So what is open is counted first, in one pass. Where the rules of HTML
are too many to follow, more is counted as open than is.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

MOST_DEEP = 500
MOST_STEPS = 1_000_000  # open elements, summed over all tags
MOST_REPEATED = 3_000_000  # characters of open formatting, summed over all tags

_SPACE = r"[\t\n\f\r ]"
# As the standard reads them: a quote counts only after a "=", and what does not end goes on to the end.
_TOKEN = re.compile(
    rf"""<!--(?:-?>|.*?(?:--!?>|\Z))
    | <(?:[!?]|/(?![a-z]))[^>]*+(?:>|\Z)
    | <(?P<end>/?)(?P<name>[a-z][^\t\n\f\r />]*+)
      (?:[\t\n\f\r /]++
        | (?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)
          (?:{_SPACE}*+={_SPACE}*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >]*+))?+
      )*+(?:>|\Z)""",
    re.ASCII | re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_RAW = {"iframe", "script", "style", "textarea", "title"}
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\t\n\f\r />])", re.ASCII | re.IGNORECASE) for name in _RAW}
_UNSEEN = {"math", "object", "select", "svg", "template"}
# What is in them would be text; without them it is HTML, as for a browser without scripts or frames.
_UNWRAPPED = {"frameset", "noembed", "noframes", "noscript", "plaintext", "xmp"}
# Empty, or ended by the next of their kind or by the end of a table.
_NEVER_OPEN = {
    "area", "base", "basefont", "bgsound", "br", "col", "colgroup", "embed", "frame", "hr", "image", "img", "input",
    "keygen", "link", "meta", "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
}  # fmt: skip
_REPEATED = {
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
}  # fmt: skip
_INLINE = _REPEATED | {
    "abbr", "cite", "del", "dfn", "ins", "kbd", "mark", "q", "rb", "rp", "rt", "rtc", "ruby", "samp", "span", "sub",
    "sup", "time", "var",
}  # fmt: skip
# Their ends end whatever is open in them. Those of inline elements end what is inline, all others nothing.
_BLOCKS = {
    "address", "article", "aside", "blockquote", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "header", "li", "main", "nav", "ol", "pre", "section", "summary", "table",
    "ul",
}  # fmt: skip
_FENCES = {"applet", "button", "caption", "marquee", "table"}
_LISTS = {"ol", "ul"}
# One of these ends an open one of those, and what it may be in.
_ENDED_BY = {
    "a": (("a",), _INLINE),
    "li": (("li",), _INLINE | {"address", "div"}),
    "dd": (("dd", "dt"), _INLINE | {"address", "div"}),
    "dt": (("dd", "dt"), _INLINE | {"address", "div"}),
}
_FARTHEST = 50


def bounded(source: str) -> str:
    """``source`` without comments, scripts and other things unseen; only its text if it is nested beyond measure."""
    kept: list[str] = []
    opened = _Open()
    is_beyond = False
    at = 0
    while token := _TOKEN.search(source, at):
        kept.append(_text(source[at : token.start()]))
        at = token.end()
        name = (token["name"] or "").lower()
        is_end = token["end"] == "/"
        if name in _RAW or name in _UNSEEN:
            at = at if is_end else _after(source, token, name)
        elif name and name not in _UNWRAPPED:
            is_beyond = is_beyond or opened.is_beyond_with(name, len(token[0]), is_end=is_end)
            kept.append(" " if is_beyond else token[0])
    kept.append(_text(source[at:]))
    if is_beyond:
        return html.escape(html.unescape(_TOKEN.sub(" ", "".join(kept))), quote=False)
    return "".join(kept)


def _text(piece: str) -> str:
    # What a comment parted would otherwise be a tag.
    return piece.replace("<", "&lt;")


def _after(source: str, start: re.Match[str], name: str) -> int:
    """Where the element that begins with ``start`` has ended."""
    at = start.end()
    if name in _RAW:
        end = _RAW_ENDS[name].search(source, at)
        return end.start() if end else len(source)
    level = _is_opened(start, name)
    while level and (token := _TOKEN.search(source, at)):
        at = token.end()
        inner = (token["name"] or "").lower()
        if inner == name:
            level += -1 if token["end"] else _is_opened(token, name)
        elif inner in _RAW and not token["end"]:
            at = _after(source, token, inner)
    return len(source) if level else at


def _is_opened(tag: re.Match[str], name: str) -> bool:
    return not (tag[0].endswith("/>") and name in ("svg", "math"))


@dataclass
class _Open:
    """The elements that are open, or are formatting that will be repeated: names and lengths of their tags."""

    elements: list[tuple[str, int]] = field(default_factory=list)
    repeated: int = 0
    steps: int = 0
    copied: int = 0

    def is_beyond_with(self, name: str, length: int, *, is_end: bool) -> bool:
        """Take one more tag, and say whether it is too much."""
        self.steps += len(self.elements) + 1
        self.copied += self.repeated
        if is_end:
            self._end((name,), _INLINE if name in _INLINE else None if name in _BLOCKS else set())
        elif name not in _NEVER_OPEN:
            if name in _ENDED_BY:
                self._end(*_ENDED_BY[name])
            self.elements.append((name, length))
            self.repeated += length if name in _REPEATED else 0
        return len(self.elements) > MOST_DEEP or self.steps > MOST_STEPS or self.copied > MOST_REPEATED

    def _end(self, names: tuple[str, ...], through: set[str] | None) -> None:
        """End the innermost of ``names``, if it is in elements of ``through`` only (None: in any but a fence).

        What is in it ends too, except formatting, which will be repeated.
        """
        for back, (name, length) in enumerate(reversed(self.elements[-_FARTHEST:]), start=1):
            if name in names:
                inner = self.elements[len(self.elements) - back + 1 :]
                self.elements[len(self.elements) - back :] = [found for found in inner if found[0] in _REPEATED]
                self.repeated -= length if name in _REPEATED else 0
                return
            is_fence = name in _FENCES or (name in _LISTS and "li" in names)
            if is_fence or (through is not None and name not in through):
                return
