"""OPML: the file in which feed readers hand subscriptions to each other."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.etree import ElementTree
from xml.parsers import expat

from reader.text import without_controls

MOST_BYTES = 5_000_000
MOST_FEEDS = 5000


class OpmlError(ValueError):
    """Why a file holds no subscriptions, in words for the person who chose it."""


@dataclass(frozen=True)
class Outline:
    """One feed, and the line of the file that it is on; 0 if it is of none."""

    url: str
    title: str = ""
    site_url: str = ""
    line: int = field(default=0, compare=False)


def read(file: BinaryIO) -> list[Outline]:
    """The feeds of an OPML document, or of the first one in a zip; each once. Raises OpmlError."""
    document = _unpack(file.read(MOST_BYTES + 1))
    if len(document) > MOST_BYTES:
        raise OpmlError(f"The file is larger than {MOST_BYTES // 1_000_000} MB.")
    try:
        found = _outlines(document)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, OpmlError):
            raise
        where = f" (line {error.lineno})" if isinstance(error, expat.ExpatError) else ""
        raise OpmlError(f"This is not an OPML file: it cannot be read as XML{where}.") from error
    if not found:
        raise OpmlError("There are no feeds in this file.")
    if len(found) > MOST_FEEDS:
        raise OpmlError(f"There are {len(found)} feeds in this file, more than {MOST_FEEDS}.")
    return list(found.values())


def write(outlines: Iterable[Outline], *, title: str) -> bytes:
    """An OPML document."""
    root = ElementTree.Element("opml", version="2.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "head"), "title").text = without_controls(title)
    body = ElementTree.SubElement(root, "body")
    for outline in outlines:
        site = {"htmlUrl": outline.site_url} if outline.site_url else {}
        names = {"text": outline.title, "title": outline.title}
        values = {"type": "rss", **names, "xmlUrl": outline.url, **site}
        ElementTree.SubElement(body, "outline", {name: without_controls(value) for name, value in values.items()})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _unpack(data: bytes) -> bytes:
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith((".opml", ".xml"))]
            if not names:
                raise OpmlError("There is no OPML file in this zip.")
            with archive.open(min(names, key=lambda name: (not name.lower().endswith(".opml"), len(name)))) as member:
                return member.read(MOST_BYTES + 1)  # whatever size it claims to be
    except OpmlError:
        raise
    except Exception as error:  # strangers' bytes: each way of packing has errors of its own
        raise OpmlError("This zip cannot be read.") from error


def _outlines(document: bytes) -> dict[str, Outline]:
    """The feeds by their addresses. Names are taken in any case, as they are found in the wild.

    Nothing in a list of feeds needs a document type, and those can make gigabytes of text out of a few lines.
    """
    found: dict[str, Outline] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        values = {key.lower(): value.strip() for key, value in attributes.items()}
        url = values.get("xmlurl", "")
        if name.lower() == "outline" and url and url not in found:
            title = " ".join((values.get("title") or values.get("text") or "").split())[:300]
            found[url] = Outline(
                url=url, title=title, site_url=values.get("htmlurl", ""), line=parser.CurrentLineNumber
            )

    def refuse(*_: object) -> None:
        raise OpmlError("The file has a document type, which an OPML file has not.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(document, True)
    return found
