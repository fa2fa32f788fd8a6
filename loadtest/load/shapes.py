"""Load shapes for Locust: import one into a locustfile beside the users, and set its class attributes.

    from loadtest.load import Steps

    class MySteps(Steps):
        users = (100, 200, 400)
        hold_s = 120

Locust calls `tick` once a second and blocks it while users are spawned, so whatever is held is timed from the end of
spawning and not from the start of the run: a slow ramp takes no time away from a step. A shape ends the run by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar

from locust import LoadTestShape
from locust.runners import STATE_RUNNING

from loadtest.errors import UsageError
from loadtest.load.stages import Progress, Stage, check
from loadtest.model import Step


class Staged(LoadTestShape):
    """One stage after the other; the base of the others, and of shapes of your own.

    Attributes:
        on_step: told each stage that was held, once it is over: a row of the run folder's table `steps`.
    """

    abstract = True

    def __init__(self) -> None:
        self.on_step: Callable[[Step], None] = lambda _step: None
        super().__init__()  # type: ignore[no-untyped-call]
        self.reset_time()

    def stages(self) -> list[Stage]:
        """What is to be held, in order."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuse attributes that make no load.

        Raises:
            UsageError: names the class, what was wrong and what to do.
        """
        name = type(self).__name__
        try:
            check(name, self.stages())
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{name}: its class attributes make no stages ({error}); mind their types, as in users = (50, 100)"
            ) from None

    @property
    def most_users(self) -> int:
        """Of any stage."""
        return max(stage.users for stage in self.stages())

    def reset_time(self) -> None:
        """Begin anew: Locust's page starts one shape several times."""
        super().reset_time()  # type: ignore[no-untyped-call]
        self._progress: Progress | None = None  # not before `check`: attributes may make no stages

    def tick(self) -> tuple[int, float] | None:
        """The users and spawn rate of now; None once all stages were held."""
        runner: Any = self.runner
        running = runner.target_user_count if runner is not None and runner.state == STATE_RUNNING else None
        self._progress = self._progress or Progress(self.stages(), self._tell)
        stage = self._progress.at(time.monotonic_ns(), running)
        return None if stage is None else (stage.users, stage.spawn_rate)

    def _tell(self, step: Step) -> None:
        self.on_step(step)

    def leave(self) -> None:
        """The run is over: tell the stage that was held until now."""
        if self._progress is not None:
            self._progress.end(time.monotonic_ns())


class Steps(Staged):
    """Users in steps, each held for the same time.

    Attributes:
        users: of each step.
        hold_s: seconds from the end of a step's spawning on.
        spawn_rate: users a second.
    """

    abstract = True
    users: ClassVar[tuple[int, ...]] = (50, 100, 200, 400)
    hold_s: ClassVar[float] = 60.0
    spawn_rate: ClassVar[float] = 50.0

    def stages(self) -> list[Stage]:
        return [Stage(users, self.spawn_rate, self.hold_s) for users in self.users]


class Ramp(Staged):
    """Evenly up to the most users, and then held.

    Attributes:
        users: the most.
        ramp_s: seconds until they are there, should the server take them in so fast.
        hold_s: seconds from then on.
    """

    abstract = True
    users: ClassVar[int] = 400
    ramp_s: ClassVar[float] = 300.0
    hold_s: ClassVar[float] = 60.0

    def stages(self) -> list[Stage]:
        return [Stage(self.users, self.users / self.ramp_s if self.ramp_s > 0 else 0.0, self.hold_s)]


class Spike(Staged):
    """From everyday users to many at once and back: does it recover?

    Attributes:
        users: every day.
        spike_users: in the spike.
        before_s, spike_s, after_s: how long each is held.
        spawn_rate: users a second, up and down.
    """

    abstract = True
    users: ClassVar[int] = 100
    spike_users: ClassVar[int] = 500
    before_s: ClassVar[float] = 60.0
    spike_s: ClassVar[float] = 30.0
    after_s: ClassVar[float] = 120.0
    spawn_rate: ClassVar[float] = 200.0

    def stages(self) -> list[Stage]:
        rate = self.spawn_rate
        return [
            Stage(self.users, rate, self.before_s),
            Stage(self.spike_users, rate, self.spike_s),
            Stage(self.users, rate, self.after_s),
        ]


class Soak(Staged):
    """The same users for hours: does memory grow, do connections die of age?

    Attributes:
        users: all the time.
        hold_s: seconds from the end of spawning on.
        spawn_rate: users a second.
    """

    abstract = True
    users: ClassVar[int] = 200
    hold_s: ClassVar[float] = 4 * 3600.0
    spawn_rate: ClassVar[float] = 10.0

    def stages(self) -> list[Stage]:
        return [Stage(self.users, self.spawn_rate, self.hold_s)]
