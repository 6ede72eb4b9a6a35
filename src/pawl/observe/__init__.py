"""What production says about a release: requests counted, gauges read, expectations checked.

Belongs here: counting the proxy's access log (``tail.py``, ``records.py``, ``counting.py``), the numbers it becomes
(``histogram.py``, ``tally.py``), by route (``paths.py``) and release (``attribution.py``), where they are kept
(``store``), the contract by which they are asked for (``signals.py``), what the machine says (``gauges.py``), what an
author expects (``expectations.py``), and the statistics of the verdict (``judge``).

Does not belong here: acting on a verdict (``deploys``), knowing what runs (``engines``: pids and addresses are handed
in), writing the log (``proxy``). ``judge`` imports the standard library only; SQL is in ``store`` only.
"""
