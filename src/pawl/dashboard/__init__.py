"""The dashboard: pages, graphs and live updates, rendered on the server, readable without JavaScript.

Belongs here: what a person sees in a browser, who may see it (sessions, Host and Origin), and how it moves.

Does not belong here: deciding or doing anything. What a button asks for is done by whoever stands behind
:class:`pawl.dashboard.place.Place`; numbers come from the ledger and the signal store, words from both.
"""
