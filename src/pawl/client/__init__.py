"""How ``pawl`` reaches a pawld: the API's client, the road that code travels (git), and starting a pawld here.

What belongs here: everything a command needs that is not words for a person. What does not: anything pawld does itself.
Commands start quickly, so only the standard library is imported, and of that as little as will do.
"""
