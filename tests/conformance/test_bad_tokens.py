"""Tokens that are made to be refused."""

import hypothesis
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.conformance.cases.tokens import altered, unsigned

SECRET = "a secret of the tests, long enough for HS256"


CLAIMS = st.dictionaries(st.sampled_from(["userId", "email", "name", "role"]), st.text(max_size=20), max_size=3)


@hypothesis.settings(max_examples=30)
@given(CLAIMS)
def test_neither_is_valid_and_both_keep_the_claims(claims):
    token = jwt.encode(claims, SECRET, "HS256")
    for spoilt in (altered(token), unsigned(token)):
        assert jwt.decode(spoilt, options={"verify_signature": False}) == claims
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(spoilt, SECRET, algorithms=["HS256"])
