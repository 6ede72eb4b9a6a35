"""The signal store, ``signals.db``: what was counted and read, by time; all SQL of ``observe`` is here.

Belongs here: the tables and how time is divided (``schema.py``), names as numbers (``names.py``), reading and adding
rows (``rows.py``), their rolling up and removal (``tidying.py``), and :class:`~pawl.observe.store.store.SignalStore`,
which the rest of ``observe`` talks to.

Does not belong here: what a number means. The store adds up what it is given.
"""

from pawl.observe.store.store import Progress, SignalStore

__all__ = ["Progress", "SignalStore"]
