"""A stand-in for the model, for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from model_stage import QUICK, Model, StartModel, served

from loadtest.server.answers import AnswerStyle
from loadtest.standin.server import StandInOptions
from loadtest.standin.trouble import share


@pytest.fixture
def start_model(tmp_path: Path) -> Iterator[StartModel]:
    """Start stand-ins: `start_model("429=100%")`, `start_model(answers=AnswerStyle(...))`."""
    with ExitStack() as stack:

        def start(*troubles: str, answers: AnswerStyle = QUICK, **options: Any) -> Model:
            log = tmp_path / f"llm-{len(list(tmp_path.iterdir()))}.jsonl"
            shares = tuple(map(share, troubles))
            return stack.enter_context(served(StandInOptions(answers=answers, troubles=shares, log=log, **options)))

        yield start
