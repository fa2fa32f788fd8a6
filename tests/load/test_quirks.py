"""What Locust leaves running does not show."""

from pathlib import Path

from locust_command import LocustRun

EAGER = Path(__file__).with_name("csv_writer.py")


def test_the_writer_of_csv_files_ends_before_its_files_do(reference_server, tmp_path):
    """With workers, an exit handler sleeps after Locust has closed the files: an eager writer would wake up in it."""
    run = LocustRun(
        reference_server, tmp_path / "results",
        *("--headless", "--processes", "1", "-u", "1", "-t", "1s", "--csv", str(tmp_path / "stats")),
        locustfile=EAGER,
    )  # fmt: skip
    try:
        run.end()
    finally:
        run.kill()
    assert "Traceback" not in run.output, run.output
    assert (tmp_path / "stats_stats.csv").read_text().startswith("Type,Name")
