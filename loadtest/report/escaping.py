"""Text of others in Markdown."""


def escaped(line: str) -> str:
    """Text of a server must not become markup."""
    for character in "\\`*_<|[":
        line = line.replace(character, f"\\{character}")
    return line
