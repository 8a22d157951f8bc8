"""What an administrator sends to the console function that clears a suppression."""

from pydantic import Field

from chalicelib.field_types import Body, EmailAddress


class ConsoleSuppressionBody(Body):
    """The event of the console function."""

    email: EmailAddress = Field(examples=["ana@customer.example"])
    confirm: bool = False
