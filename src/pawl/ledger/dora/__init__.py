"""The DORA measures: what the ledger says about how changes get live, how often they fail, and how fast that is mended.

Belongs here: what is kept of each deploy for it (``facts.py``, in SQL ``stored.py``), what counts as failed, recovered
or a hotfix (``failures.py``), the measures of a span (``measures.py``) and over time (``over_time.py``), their
definitions in words with versions (``definitions.py``), and the whole for a page or a table: ``report.report``.

Does not belong here: words for people beyond the definitions, drawing, and any clock: a span is handed in.

Whoever changes what is counted raises the version of its definition, for a trend over two rules is none.
"""
