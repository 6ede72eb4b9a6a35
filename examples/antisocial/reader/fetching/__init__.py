"""Feeds from strangers' servers into the database.

What belongs here: ``address`` (which servers may be reached), ``download`` (one answer within limits), ``parse``,
``markup`` and ``clean`` (bytes to plain values, no Django: it runs in processes of its own), ``discovery`` (a site's
feed), ``schedule`` (when next), ``claims`` (who fetches what), ``store`` (the database), ``rounds`` (all of it at
once).
"""
