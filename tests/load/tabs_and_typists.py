"""One room of users with two tabs each, in which three type: one forgets to stop, one is cut off, one is hasty."""

from loadtest.load import Action, InRoom, Typing


class Member(InRoom, Typing):
    def actions(self):
        typing = {0: self.forgetful, 1: self.cut_off, 2: self.hasty}.get(self.number)
        if typing is None or self.tab:
            yield from (Action(at, self.say) for at in self.schedule())
            return
        yield Action(1.0, self.say)
        yield from typing()

    def forgetful(self):
        yield Action(4.0, self.start_typing)

    def cut_off(self):
        yield Action(7.0, self.start_typing)
        yield Action(8.0, lambda _: self.client.reset())

    def hasty(self):
        yield Action(4.0, self.start_typing)
        yield Action(4.5, self.start_typing)
        yield Action(6.0, self.stop_typing)
