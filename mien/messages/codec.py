"""Messages as JSON: whatever arrives from the network becomes a message or a single kind of error."""

from typing import Generic, TypeVar

import msgspec

MessageType = TypeVar("MessageType")


class MessageDecoder(Generic[MessageType]):
    """Decodes one type of message; ignores unknown fields."""

    def __init__(self, message_type: type[MessageType]) -> None:
        self._decoder = msgspec.json.Decoder(message_type)

    def decode(self, payload: bytes) -> MessageType:
        """The message. Raises msgspec.DecodeError, and nothing else, if the payload is invalid."""
        try:
            return self._decoder.decode(payload)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(f"text that is not UTF-8 ({error.reason})") from error
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error


class MessageCodec(MessageDecoder[MessageType]):
    """Encodes and decodes one type of message."""

    def __init__(self, message_type: type[MessageType]) -> None:
        super().__init__(message_type)
        self._encoder = msgspec.json.Encoder()

    def encode(self, message: MessageType) -> bytes:
        """The JSON form of the message."""
        return self._encoder.encode(message)
