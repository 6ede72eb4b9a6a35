"""Stands for a test or a release task: a Python program that starts, does nothing and ends."""
