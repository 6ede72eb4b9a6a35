"""``serve.py PORT N ENTRIES`` serves N feeds, each on an address of its own (127.8.x.y). It says ``ready``."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

PARAGRAPH = (
    '<p>A <b>pawl</b> is the catch that lets a <a href="/ratchet">ratchet</a> turn one way only. What was gained '
    "stays locked in, whatever pulls the other way; <em>click</em> after click the load goes up.</p>"
    '<img src="/pictures/pawl.png" alt="A pawl">'
)


def feed(number: int, entries: int) -> bytes:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    items = "".join(
        f"<item><guid>https://{number}.example/{n}</guid><title>Entry {n} of feed {number}</title>"
        f"<link>https://{number}.example/{n}</link><dc:creator>Ada</dc:creator>"
        f"<pubDate>{format_datetime(now - timedelta(hours=n * 7 + number % 24))}</pubDate>"
        f"<description><![CDATA[{PARAGRAPH * 4}]]></description></item>"
        for n in range(entries)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<channel><title>Feed {number}</title><link>https://{number}.example/</link><description>d</description>"
        f"{items}</channel></rss>"
    ).encode()


def address(number: int) -> str:
    return f"127.8.{number // 250}.{number % 250 + 1}"


async def main() -> None:
    port, count, entries = map(int, sys.argv[1:])

    def serve(number: int):
        body = feed(number, entries)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nContent-Length: {len(body)}\r\n\r\n".encode()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(head + body)
                    await writer.drain()
            except (asyncio.IncompleteReadError, OSError):
                pass
            finally:
                writer.close()

        return answer

    for number in range(count):
        await asyncio.start_server(serve(number), address(number), port)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
