"""Loads the sample data through the API, as a billing system would."""


class SampleError(Exception):
    """The sample data cannot be loaded; the message is for the user."""


def everything(url: str, api_key: str) -> int:
    """Load everything and return how many items there are. Raises SampleError."""
    raise SampleError("there is none yet.")
