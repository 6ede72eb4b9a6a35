"""The default engine: instances are processes of this machine, environments are venvs; no Docker, no root.

What belongs here: everything that knows about pids, ``/proc``, sockets, venvs and log files. What does not: stages,
the ledger, Caddy. Instances outlive pawld: they are started in sessions of their own and write their logs themselves,
and the next pawld adopts them by pid and start time.
"""
