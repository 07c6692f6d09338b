"""JSON from the network into a contract's struct: whatever arrives, it is decoded or refused by one error."""

from typing import Generic, TypeVar

import msgspec

Contract = TypeVar("Contract")


class Decoder(Generic[Contract]):
    """Decodes one kind of message; unknown fields are ignored."""

    def __init__(self, contract: type[Contract]) -> None:
        self._decoder = msgspec.json.Decoder(contract)

    def decode(self, payload: bytes) -> Contract:
        """The message. msgspec.DecodeError, and nothing else, where it breaks the contract."""
        try:
            return self._decoder.decode(payload)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"text that is not UTF-8 ({error.reason})") from error
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
