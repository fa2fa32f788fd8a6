"""Ties a run to Locust's events: what each process does when Locust says that it starts, runs and ends."""
