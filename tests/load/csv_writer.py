"""A user that idles, and Locust's writer of `--csv` a hundred times as eager as by default."""

import locust.stats

from loadtest.load import Listening

locust.stats.CSV_STATS_INTERVAL_SEC = 0.01


class ListeningUser(Listening):
    pass
