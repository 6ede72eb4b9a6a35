"""One run of the package ``reader`` on N served feeds; prints seconds and entries."""

import sys
import time

from reader import make_reader

reader = make_reader(sys.argv[1])
urls = sys.stdin.read().split()
for url in urls:
    reader.add_feed(url)
began = time.perf_counter()
reader.update_feeds(workers=int(sys.argv[2]))
took = time.perf_counter() - began
assert reader.get_feed_counts().broken == 0
print(took, reader.get_entry_counts().total)
