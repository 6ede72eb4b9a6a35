"""A deploy, told as a story of stages that can be taken up again wherever it was cut off.

What belongs here: the order of things, what is written to the ledger when, and what is put back when a stage fails.
What does not: how a release is built or an instance started (``engines``), how traffic moves (``proxy``).
"""
