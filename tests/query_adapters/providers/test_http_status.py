"""Test that the status of an error is that of its cause, but not with `raise ... from None`."""

import pytest

from query_adapters.providers.http_status import causes, status_of


class HttpError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


def raised_apart(error: Exception) -> None:
    try:
        raise HttpError(401)
    except HttpError:
        raise error from None


def raised_during() -> None:
    try:
        raise HttpError(401)
    except HttpError:
        raise RuntimeError("wrapped")  # noqa: B904


@pytest.mark.parametrize("error", [TimeoutError("late"), RuntimeError("wrapped")])
def test_an_error_from_none_has_no_status_of_another(error: Exception) -> None:
    with pytest.raises(type(error), match=r"late|wrapped") as apart:
        raised_apart(error)
    assert status_of(apart.value) is None


def test_an_error_raised_from_or_during_another_has_its_status() -> None:
    with pytest.raises(RuntimeError, match="wrapped") as during:
        raised_during()
    with pytest.raises(RuntimeError, match="wrapped") as caused:
        raise RuntimeError("wrapped") from HttpError(403)
    assert (status_of(during.value), status_of(caused.value)) == (401, 403)
    assert [type(cause) for cause in causes(during.value)] == [RuntimeError, HttpError]
