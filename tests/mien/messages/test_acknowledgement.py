from uuid import uuid4

from samples import OUTBOX

from mien.messages.acknowledgement import (
    ERASED,
    Acknowledgement,
    decode_acknowledgement,
    encode_acknowledgement,
    encode_acknowledgements,
)


def test_an_acknowledgement_survives_encoding_and_decoding() -> None:
    acknowledgement = Acknowledgement(outbox=uuid4(), stored=[(1, 3)], rejected=[(4, "no emotion")])
    assert decode_acknowledgement(encode_acknowledgement(acknowledgement)) == acknowledgement


def test_an_acknowledgement_is_split_into_messages_that_fit() -> None:
    whole = Acknowledgement(
        outbox=OUTBOX,
        stored=[(seq, seq) for seq in range(1, 400, 2)],
        rejected=[(seq, f"reason {seq} " + "ä" * 500) for seq in range(2, 100, 2)],
    )
    for max_bytes in (200, 1000, 48_000):
        payloads = list(encode_acknowledgements(whole, max_bytes))
        assert max(map(len, payloads)) <= max_bytes
        parts = [decode_acknowledgement(payload) for payload in payloads]
        assert [entry for part in parts for entry in part.stored] == whole.stored
        rejected = [entry for part in parts for entry in part.rejected]
        assert [seq for seq, _ in rejected] == [seq for seq, _ in whole.rejected]
        assert all(reason.startswith(short) for (_, short), (_, reason) in zip(rejected, whole.rejected, strict=True))


def test_a_small_acknowledgement_is_one_message() -> None:
    whole = Acknowledgement(outbox=OUTBOX, stored=[(1, 3)], rejected=[(4, ERASED)])
    assert list(encode_acknowledgements(whole, 200)) == [encode_acknowledgement(whole)]


def test_an_acknowledgement_that_cannot_fit_is_still_made() -> None:
    (payload,) = encode_acknowledgements(Acknowledgement(outbox=OUTBOX, rejected=[(4, "reason")]), 10)
    assert decode_acknowledgement(payload).rejected == [(4, "")]
