"""What a run folder tells of the command that made it."""

import pytest

from loadtest.load.plugin.run_info import public_command


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--jwt-secret", "S3CRET", "-u", "5"], ["--jwt-secret", "***", "-u", "5"]),
        (["--jwt-secret=S3CRET"], ["--jwt-secret=***"]),
        (["--jwt-s", "S3CRET"], ["--jwt-s", "***"]),
        (["--jwt=S3CRET"], ["--jwt=***"]),
        (["--login-url", "https://x/login?key=S3CRET"], ["--login-url", "https://x/login"]),
        (["--login-body={S3CRET}"], ["--login-body=***"]),
        (["--label", "build=a b"], ["--label", "build=a b"]),
    ],
)
def test_secrets_are_hidden_however_they_are_given(given, kept):
    assert public_command(["/site-packages/locust/__main__.py", *given]) == ["locust", *kept]
