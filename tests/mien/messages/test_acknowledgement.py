from uuid import uuid4

from mien.messages.acknowledgement import Acknowledgement, decode_acknowledgement, encode_acknowledgement


def test_an_acknowledgement_survives_encoding_and_decoding() -> None:
    acknowledgement = Acknowledgement(outbox=uuid4(), stored=[(1, 3)], rejected=[(4, "no emotion")])
    assert decode_acknowledgement(encode_acknowledgement(acknowledgement)) == acknowledgement
