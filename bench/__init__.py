"""The measurements of ``bench/RESULTS.md``: ``make bench`` for all, ``python -m bench NAME`` for one.

What belongs here: one module per measurement, which says in its docstring what is measured and why it is fair, and
has a ``measure()`` that answers with a table. A limit or a peer is measured in the same run, interleaved, and what is
compared is the median of several rounds. What does not: anything that only asserts (``tests``).
"""
