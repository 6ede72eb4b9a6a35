"""The Google Reader API, as FreshRSS and Miniflux serve it, for reader apps.

What belongs here: its addresses, its log-in and its JSON. What an app may do is what a page may do: ``reader.reading``
and ``reader.subscribing`` do it. There are no folders, so labels are taken and do nothing.
"""
