"""Engines run instances: ``process`` (venvs, one machine), later ``docker`` and ``kubernetes``.

What belongs here: building a release, starting its instances, telling whether they are healthy, moving traffic and
stopping what is old. What does not: which release should be live (``deploys``) and how requests find a slot
(``proxy``). No engine imports another; ``base.py`` is all that the story of a deploy knows of them.
"""
