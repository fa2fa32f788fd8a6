"""The reference server: the guide's server side with known truth. Embedded default, teaching example, yardstick.

Reading order: `server` (sockets, authentication), `chat` (what each frame brings about), and the nouns these use.
"""

from .answers import AnswerStyle, Distribution
from .counts import ServerCounts
from .options import ServerOptions
from .server import ChatServer

__all__ = ["AnswerStyle", "ChatServer", "Distribution", "ServerCounts", "ServerOptions"]
