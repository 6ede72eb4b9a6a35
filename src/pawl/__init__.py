"""Pawl: continuous deployment for Python web apps that turns one way only.

Nothing is imported here, so that ``pawl --help`` stays quick; the folders' docstrings say what lives where.
"""

__version__ = "0.1.0"
