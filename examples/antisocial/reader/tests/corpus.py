"""Feeds as they are out there."""

from __future__ import annotations

import json

RSS = """<?xml version="1.0"?>
<rss version="2.0"><channel>
  <title>Plain &amp; simple</title><link>https://example.org/</link><description>d</description>
  <item><guid isPermaLink="false">one</guid><title>First</title><link>/first</link><author>Ada</author>
    <description>&lt;p&gt;Hello &lt;b&gt;wor&lt;/b&gt;ld&lt;/p&gt;</description>
    <pubDate>Mon, 01 Jan 2024 10:00:00 +0000</pubDate></item>
  <item><guid>two</guid><title>Second</title><link>https://example.org/second</link>
    <pubDate>Tue, 02 Jan 2024 10:00:00 +0000</pubDate></item>
</channel></rss>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom">
  <title>Café</title><id>urn:feed</id><updated>2024-03-01T00:00:00Z</updated>
  <link href="https://example.org/cafe"/>
  <entry><id>urn:1</id><title>Naïve</title><link href="https://example.org/1"/>
    <updated>2024-03-01T12:00:00+02:00</updated><author><name>Grace</name></author>
    <content type="html">&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</content></entry>
</feed>"""

ATOM_BASE = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://example.org/blog/">
  <title type="text">1 &lt; 2</title><id>urn:f</id><updated>2024-03-01T00:00:00Z</updated>
  <entry xml:base="2024/"><id>urn:1</id><title type="html">&lt;em&gt;Based&lt;/em&gt;</title><link href="one"/>
    <updated>2024-03-01T12:00:00Z</updated>
    <content type="xhtml">
      <div xmlns="http://www.w3.org/1999/xhtml"><a href="two">2</a><img src="a.png"/></div></content>
  </entry></feed>"""

RSS_090 = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/">
<channel><title>Nine</title><link>http://example.org/</link><description>d</description></channel>
<item><title>Item of 0.90</title><link>http://example.org/090</link></item></rdf:RDF>"""

RSS_091 = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">
<rss version="0.91"><channel><title>Ninety-one</title><link>http://example.org/</link><description>d</description>
<language>en</language><item><title>Item of 0.91</title><link>http://example.org/091</link></item></channel></rss>"""

RSS_092 = """<rss version="0.92"><channel><title>Ninety-two</title><link>http://example.org/</link><description>d</description>
<item><description>Only a description, as 0.92 lets it</description></item></channel></rss>"""

RSS_10 = """<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel rdf:about="http://example.org/"><title>One</title><link>http://example.org/</link><description>d</description>
<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency></channel>
<item rdf:about="http://example.org/10"><title>Item of 1.0</title><link>http://example.org/10</link>
<dc:creator>Linus</dc:creator><dc:date>2024-01-01T10:00:00+01:00</dc:date><description>Short</description>
<content:encoded><![CDATA[<p>Long <b>and</b> whole</p>]]></content:encoded></item></rdf:RDF>"""

JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Jay <son>",
        "home_page_url": "https://example.org/",
        "authors": [{"name": "Everybody"}],
        "items": [
            {
                "id": "1",
                "url": "/1",
                "content_html": "<p>Hi</p><script>x</script>",
                "date_published": "2024-01-01T10:00:00Z",
            },
            {
                "id": 2,
                "content_text": "a < b\n\nand more",
                "title": "Text & more",
                "authors": [{"name": "Ann"}, {"name": "Bob"}],
            },
            "not an item",
        ],
    }
)

HOSTILE = """<?xml version="1.0"?>
<rss version="2.0"><channel><title>&lt;script&gt;steal()&lt;/script&gt;Nice</title>
  <link>javascript:steal()</link>
  <item><guid>x</guid><title>&lt;img src=x onerror=steal()&gt;Look &amp;lt;b&amp;gt;</title>
    <link>javascript:steal()</link>
    <description>&lt;script&gt;steal()&lt;/script&gt;&lt;p onclick="steal()" style="position:fixed"&gt;Safe&lt;/p&gt;
      &lt;style&gt;x{}&lt;/style&gt;&lt;iframe src="https://evil.example/"&gt;&lt;/iframe&gt;
      &lt;a href="javascript:steal()"&gt;a&lt;/a&gt;&lt;a href="da&amp;#9;ta:text/html,x"&gt;b&lt;/a&gt;
      &lt;svg&gt;&lt;script&gt;steal()&lt;/script&gt;&lt;/svg&gt;&lt;form action="https://evil.example/"&gt;&lt;input&gt;&lt;/form&gt;
      &lt;img src="https://t.example/pixel" width="1" height="1"&gt;
      &lt;img src="pic.png" srcset="x 2x" onload="steal()"&gt;
    </description>
    <pubDate>Fri, 01 Jan 2999 10:00:00 +0000</pubDate></item>
</channel></rss>"""

BROKEN = '<?xml version="1.0"?><rss version="2.0"><channel><title>Half'
# Cut off in the middle of its second item, with an entity that no XML knows and a stray ampersand.
TORN = """<?xml version="1.0"?><rss version="2.0"><channel><title>Torn &nbsp;</title>
<item><guid>1</guid><title>Q&A &mdash; whole</title><description>a & b</description></item>
<item><guid>2</guid><title>Half an it"""
PAGE = "<!doctype html><title>A page</title><p>Not a feed</p>"
LAUGHS = """<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;"><!ENTITY f "&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;">
<!ENTITY g "&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;"><!ENTITY h SYSTEM "file:///etc/passwd">]>
<rss version="2.0"><channel><title>&g;&h;</title><item><guid>1</guid><title>t</title></item></channel></rss>"""


def item(**parts: str) -> str:
    """An RSS item of these elements."""
    return f"<item>{''.join(f'<{name}>{value}</{name}>' for name, value in parts.items())}</item>"


def rss(*items: str, title: str = "A feed", head: str = "") -> str:
    """An RSS feed of these items."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>'
        f"<title>{title}</title><link>https://example.org/</link><description>d</description>{head}{''.join(items)}"
        "</channel></rss>"
    )


def encoded(encoding: str, *, declared: str | None, bom: bytes = b"") -> bytes:
    """A feed with letters outside ASCII in ``encoding``, which says it is ``declared``."""
    says = f' encoding="{declared}"' if declared else ""
    text = (
        f'<?xml version="1.0"{says}?><rss version="2.0"><channel><title>Ünïcode “x”</title>'
        + item(guid="1", title="é€")
        + "</channel></rss>"
    )
    return bom + text.encode(encoding)
