"""The command line ``pawl``: one file per command; ``output.py`` owns every word a person sees.

Commands talk to pawld through ``client`` only. Nothing heavy is imported before a command needs it.
"""
