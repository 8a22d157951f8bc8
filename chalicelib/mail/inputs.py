"""What an administrator sends to the console function that clears a suppression."""

from pydantic import Field

from chalicelib.fields import Body, Email


class ConsoleSuppressionBody(Body):
    """The event of the console function."""

    email: Email = Field(examples=["ana@customer.example"])
    confirm: bool = False
