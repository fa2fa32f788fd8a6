"""Two people in each conversation, who type before they send, and one who sends above the limit."""

from loadtest.load import AboveLimit, Typing


class PairUser(Typing):
    participants = 2
    typing_s = 0.5
    weight = 5


class PushyUser(AboveLimit):
    weight = 1
