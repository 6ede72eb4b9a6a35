"""Text from anywhere, made fit to stand in HTML, SVG and XML."""

from __future__ import annotations

import html
import re

# What XML cannot hold, and what would change the direction of the text around it.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def escaped(text: str) -> str:
    """Text as content or as a quoted attribute; characters that cannot be shown stand as U+FFFD.

    >>> escaped('<script> & "b"'), escaped(chr(27) + "[31m")
    ('&lt;script&gt; &amp; &quot;b&quot;', '\ufffd[31m')
    """
    return html.escape(_UNFIT.sub("\ufffd", text))
