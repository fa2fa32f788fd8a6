"""What clients learn of a backend: `chat` shows every frame of one, `check` goes through the guide's checklist.

Both set their clients up as a run does.
"""
