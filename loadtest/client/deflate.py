"""permessage-deflate (RFC 7692) as a browser offers it, with what it saves counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import Frame
from websockets.typing import ExtensionParameter

from loadtest.client.tally import Tally

LONGEST_WINDOW: Final = 15
OWN_WINDOW: Final = 10
"""Bits of the window that we compress with: what a client sends is short, and 15 would take 256 KB a connection.
A window smaller than what was agreed on is any sender's right (RFC 7692, section 7.1.2.2)."""
OWN_MEMORY: Final = 2
"""zlib's `memLevel` for the same reason: with it compression takes some 7 KB a connection."""


class OfferDeflate(ClientPerMessageDeflateFactory):
    """The offer `permessage-deflate; client_max_window_bits`, which is that of Chrome, Firefox and Safari.

    Args:
        tally: counts payload bytes that were not sent (`deflate_saved_sent`) and not received
            (`deflate_saved_received`), compressed messages less what they would have been.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__(client_max_window_bits=True)
        self._tally = tally

    def process_response_params(  # type: ignore[override] # any extension will do
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> CountedDeflate:
        return CountedDeflate(super().process_response_params(params, accepted_extensions), self._tally)


class CountedDeflate(Extension):
    """The agreed extension of one connection.

    Attributes:
        agreed: what it was agreed to be, in the words of the header.
    """

    name = OfferDeflate.name

    def __init__(self, agreed: PerMessageDeflate, tally: Tally) -> None:
        self.agreed = _described(agreed)
        self._tally = tally
        self._deflate = PerMessageDeflate(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            min(agreed.local_max_window_bits, OWN_WINDOW),
            {"memLevel": OWN_MEMORY},
        )

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """See `websockets`."""
        plain = self._deflate.decode(frame, max_size=max_size)
        if plain is not frame:
            self._tally.add("deflate_saved_received", "", len(plain.data) - len(frame.data))
        return plain

    def encode(self, frame: Frame) -> Frame:
        """See `websockets`."""
        packed = self._deflate.encode(frame)
        if packed is not frame:
            self._tally.add("deflate_saved_sent", "", len(frame.data) - len(packed.data))
        return packed


def _described(agreed: PerMessageDeflate) -> str:
    words = [str(OfferDeflate.name)]
    if agreed.remote_no_context_takeover:
        words.append("server_no_context_takeover")
    if agreed.local_no_context_takeover:
        words.append("client_no_context_takeover")
    if agreed.remote_max_window_bits < LONGEST_WINDOW:
        words.append(f"server_max_window_bits={agreed.remote_max_window_bits}")
    if agreed.local_max_window_bits < LONGEST_WINDOW:
        words.append(f"client_max_window_bits={agreed.local_max_window_bits}")
    return "; ".join(words)
