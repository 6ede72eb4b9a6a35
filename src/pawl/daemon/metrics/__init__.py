"""``/metrics``: what pawld knows just now, in the text format of Prometheus (version 0.0.4).

Belongs here: the names (``catalogue.py``), the format (``exposition.py``), counters that must never go back
(``requests.py`` from the signal store, ``happenings.py`` from the ledger), what is read at each scrape
(``standing.py``, ``own.py``), and the page of it all (``scrape.py``).

Does not belong here: measuring anything. What is not counted or read for pawld's own use is not shown.
"""
