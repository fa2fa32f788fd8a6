"""Summaries of levels of a capacity search: what a run of so many users would have left."""

import msgspec

from loadtest.analysis.capacity import LevelSummary, level

ACK, TTFT = "ack_delivered.p99 < 250ms", "ttft.p95 < 1.2s"


def asked(text, value, verdict="pass", ci95=None, beyond=None, needed=None):
    subject, _, statistic = text.partition(" ")[0].partition(".")
    limit = {"250ms": 250.0, "1.2s": 1200.0}[text.rpartition(" ")[2]]
    return {
        "objective": text, "name": f"{subject}.{statistic}", "metric": subject, "statistic": statistic,
        "comparison": "<", "limit": limit, "unit": "ms", "verdict": verdict, "samples": 1000, "value": value,
        "ci95": ci95, "beyond": beyond, "needed": needed,
    }  # fmt: skip


def summary(users, results, **changes):
    """A sound run of 120 s whose answers take 6 s."""
    sent = users * 16
    verdicts = [each["verdict"] for each in results]
    overall = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
    process = dict.fromkeys(
        ("gc_share", "loop_lag_p99_ms", "loop_lag_max_ms", "receive_lag_p99_ms", "frames_per_s", "cpu_per_frame_us",
         "steal_share")
    )  # fmt: skip
    facts = {
        "run": {"users": users, "window": {"start_s": 70.0, "stop_s": 190.0}},
        "verdict": {"status": "valid", "reasons": []},
        "counts": {"sent": sent * 2, "rejected": 0, "lost": 0, "timeout": 0, "error": 0},
        "steady": {"sent": sent, "delivered": sent},
        "metrics": {"stream_completion": {"unit": "ms", "count": sent, "mean": 6000.0}},
        "generator": {
            "processes": [process | {"process": "local", "cpu_share": users / 12_500, "connections": users}],
            "achieved_ratio": 1.0, "longest_silence_s": 1.0,
            "connections_asked": users, "connections_least": 0.9 * users,
        },
        "drift": {
            "status": "steady", "in_flight_per_s": 0.01,
            "trends": [{"key": "in_flight", "start": users * 0.8, "end": users * 0.8, "p_value": 0.5}],
        },
        "objectives": {"verdict": overall, "results": results, "goodput": None, "aborted": ""},
    }  # fmt: skip
    return msgspec.convert(facts | changes, LevelSummary)


SATURATED = {"status": "saturated", "in_flight_per_s": 11.2, "trends": []}
FULL = {
    "source": "pid 7", "samples": 120, "cpu_cores": 1.0, "busiest_core": 0.99, "memory_bytes": 10**8,
    "open_files": 4000, "full": ["1 core at 99 %"],
}  # fmt: skip


def levels():
    """The search of the README: 3,000 pass, 4,000 saturate a core."""
    found = []
    for users, ack, ci95, ttft in (
        (500, 14.0, (12.0, 17.0), 422.0),
        (1000, 19.0, (17.0, 22.0), 425.0),
        (2000, 41.0, (38.0, 46.0), 437.0),
    ):
        found.append(level(summary(users, [asked(ACK, ack, ci95=ci95), asked(TTFT, ttft)]), users, f"run-{users}"))
    lost = {"sent": 128_000, "rejected": 0, "lost": 61, "timeout": 0, "error": 0}
    beyond = [asked(ACK, None, "fail", beyond="> 30 s"), asked(TTFT, 2300.0, "fail", ci95=(2100.0, 2500.0))]
    found.append(level(summary(4000, beyond, drift=SATURATED, server=FULL, counts=lost), 4000, "run-4000"))
    sound = [asked(ACK, 188.0, ci95=(171.0, 212.0)), asked(TTFT, 496.0)]
    found.append(level(summary(3000, sound), 3000, "run-3000"))
    unsure = [asked(ACK, 246.0, "inconclusive", (224.0, 271.0), needed=91_000), asked(TTFT, 541.0)]
    found.append(level(summary(3500, unsure), 3500, "run-3500"))
    return found
