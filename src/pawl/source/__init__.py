"""The app's commits: one bare git repository for all apps, and the doors that ``git push`` reaches.

What belongs here: everything that runs git on pawld's side. What does not: what a release is made of.
"""
