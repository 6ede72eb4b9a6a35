"""Caddy as Pawl's proxy: its configuration, its process, and the slots it dials.

What belongs here: everything that knows Caddy exists. :mod:`.slots` says which instances stand behind an app,
:mod:`.routes` and :mod:`.logs` turn apps and domains into Caddy's JSON (pure), :mod:`.caddy` owns the process.

What does not: starting instances or judging their health (``engines``), when to switch (``deploys``), reading the
access log (``observe``). How to decide: if it would stay as it is with another proxy, it belongs elsewhere.

A deploy only ever calls :meth:`.slots.Slots.assign`; Caddy is reloaded for a new app or a new domain, nothing else.
"""
