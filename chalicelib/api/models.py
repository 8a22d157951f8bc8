"""Base classes of everything that goes over the wire."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.field_types import Body

ListItem = TypeVar("ListItem")

__all__ = ["Body", "FieldProblem", "Listing", "Problem", "Query", "View"]


class Query(BaseModel):
    """Query parameters: text that is converted, unknown parameters refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class View(BaseModel):
    """The body of a reply."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


class Listing(View, Generic[ListItem]):
    """One page of a list."""

    items: list[ListItem]
    next_cursor: str | None = Field(
        default=None, description="Send it as `cursor` for the next page. Null on the last page."
    )


class FieldProblem(View):
    """What is wrong with one field."""

    field: str = Field(description="Path of the field in the body, or the name of the parameter.")
    code: str = Field(description="Stable; for programs.")
    message: str = Field(description="For people; says the way out.")


class Problem(BaseModel):
    """An error as in RFC 9457."""

    type: str = Field(description="`about:blank`: the code tells the kind of problem.")
    title: str = Field(description="The words that belong to the status.")
    status: int
    detail: str = Field(description="For people; says the way out.")
    code: str = Field(description="Stable; for programs.")
    correlation_id: str = Field(description="Names this request in the logs and in what followed from it.")
    errors: list[FieldProblem] = Field(default=[], description="The fields at fault, each with the way out.")
    details: dict[str, Any] = Field(default={}, description="Further facts about the refusal, for programs.")
