"""What an app says about itself: ``pawl.toml`` or a ``Procfile``, read into frozen values.

Belongs here: the schema, the reading of texts into it with every fault found at its line, the rules for names,
and what ``pawl init`` writes (``detect``, ``template``). Does not belong here: how a value is carried out (the
engines, the proxy), the machine's own settings, what ``pawl env`` and ``pawl scale`` stored, and any reading of
files other than by ``detect``. To decide: if it can be judged with the repository's text alone, it is config.

Nothing is imported here, so that ``pawl --help`` stays quick: ``from pawl.config.load import parse``.
"""
