"""The cases of a check, a module for each group: `check(bench, findings)` concludes them, or raises `CannotTest`."""
