"""AI answers under load: short and long prompts, shared conversations, and people who leave, be it in an answer.

    loadtest run -f streaming --host ws://127.0.0.1:5000/ws -u 50 -t 5m
    loadtest summarize results/latest --by behaviour

Look at `ttft`, `stream rate`, `longest stall`, `amplification` (cumulative chunks grow with the square of an answer's
length), and at the line `streams:` below the table.
"""

from loadtest.load import ChatUser, Roaming

QUESTION = "What should I look at first when my server is slow?"
TEXT = "The quick brown fox jumps over the lazy dog. \U0001f98a "


class ShortPromptUser(ChatUser):
    """Asks one short question after the other."""

    weight = 6

    def text(self):
        return QUESTION


class LongPromptUser(ChatUser):
    """Pastes a page of text, with characters outside the basic plane: half a pair in a chunk would be counted."""

    weight = 2

    def text(self):
        return (TEXT * 100)[: self.rng.randrange(2_000, 4_000)]


class SharedConversationUser(ChatUser):
    """Three in a conversation: each receives the answers to the others too, at times two at once on one connection."""

    weight = 3
    participants = 3


class LeavingUser(Roaming):
    """Loses its connection every --loss-every on average; an answer under way is `interrupted`, and no failure."""

    weight = 1
