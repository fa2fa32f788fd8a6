"""From the records of a run to numbers. Knows no Locust, prints nothing, opens no file but through `runs`."""
