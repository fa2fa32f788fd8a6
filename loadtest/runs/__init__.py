"""The run folder: made, written while the run goes on, and read afterwards. Knows nothing of Locust or statistics."""
