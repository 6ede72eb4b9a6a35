"""The ledger: the append-only record of every deploy, stage, switch, crash and note, and the views read from it.

Belongs here: the events and their stored form (``events.py``), what is read back (``records.py``), the contract
(``base.py``), the contract in SQL (``sql_ledger.py``) with the statements that serve every database (``database.py``,
``schema.py``, ``views.py``, ``pointer.py``, ``reading.py``), what keeps it (``store.py`` in a SQLite file,
``postgres_store.py`` in a place of a team's database), looking for events (``searching.py``), the record out and in
again (``transfer.py``), and the fake that is shipped (``memory.py``).

Does not belong here: deciding anything. Who appends an event, and what a view's answer leads to, is for
``deploys`` and ``daemon``. Requests and their timings are not events; they live in the signal store of ``observe``.

To add a kind of event: a class in ``events.py``, its effect on the views in ``views.py`` and ``memory.py``, if it
has one, and an empty migration in ``schema.py``, for an older Pawl cannot read it. To change a view: its table in
``schema.py``, the two ``apply`` functions, and an empty migration, so that the views are rebuilt from the events.
"""
