"""What an app is told from outside its repository: env and secrets, in versions that go live and back with deploys.

What belongs here: the files that hold the values. What does not: who changed what when (the ledger, names only) and
what the repository itself says (``config``).
"""
