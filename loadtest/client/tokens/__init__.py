"""Where a virtual user's token comes from: minted, read from a file, or fetched by a login.

Tokens, secrets, passwords and answers to logins never appear in an error message.
"""

from loadtest.client.tokens.bad import BadTokens, Flaw
from loadtest.client.tokens.file import FileTokens
from loadtest.client.tokens.http_login import AnswerPaths, HttpLogin, LoginEndpoint
from loadtest.client.tokens.login import Exchange, Grant, LoginFailed, LoginTokens
from loadtest.client.tokens.minted import MintedTokens, SigningKey, read_key
from loadtest.client.tokens.pace import Pace
from loadtest.client.tokens.source import NoToken, OnLogin, Tokens, is_sendable
from loadtest.client.tokens.users_file import UsersFile

__all__ = [
    "AnswerPaths",
    "BadTokens",
    "Exchange",
    "FileTokens",
    "Flaw",
    "Grant",
    "HttpLogin",
    "LoginEndpoint",
    "LoginFailed",
    "LoginTokens",
    "MintedTokens",
    "NoToken",
    "OnLogin",
    "Pace",
    "SigningKey",
    "Tokens",
    "UsersFile",
    "is_sendable",
    "read_key",
]
