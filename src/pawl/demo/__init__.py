"""``pawl demo``: the whole loop shown on a real app, in a folder of its own, with a steady load on it.

What belongs here: the demo's story, its git history (``changes/`` are patches on the example app) and its load. In an
installed package the example app is in ``antisocial/``.
"""
