"""What callers send of imports: above all the mapping, which says how a file's columns become fields."""

import codecs
import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from chalicelib.field_types import Body, Country, Currency, LocaleTag
from chalicelib.imports.rules import MAX_FILE_BYTES

_ENCODING = re.compile(
    r"ascii|utf-(8|16|16-le|16-be|32)|iso8859-\d+|cp\d+|koi8-[rtu]|mac-[a-z]+|shift_jis|euc_(jp|kr)|gb18030|gbk|big5"
)
PLACEHOLDER = re.compile(r"{([^{}]+)}")
SOURCES = ("column", "template", "constant", "first_of")
CONVERSIONS = ("boolean", "country", "date", "decimal", "id_from_name", "list", "minor_units", "phone")
MAX_ID_PREFIX = 20


def _encoding(value: str) -> str:
    try:
        name = codecs.lookup(value).name
    except (LookupError, ValueError):
        name = ""
    if not _ENCODING.fullmatch(name):
        raise PydanticCustomError("bad_encoding", "Send the name of an encoding, such as utf-8 or cp1252.")
    return name


def _delimiter(value: str) -> str:
    if value in '"\r\n\x00':
        raise PydanticCustomError("bad_delimiter", "A quote or the end of a line cannot divide columns.")
    return value


def _directives(value: str) -> str:
    if not re.fullmatch(r"(?:%[YymdBbjHMSfIpz%]|[^%\x00])+", value) or "%" not in value:
        raise PydanticCustomError(
            "bad_date_format", "Write the form of a date with %Y, %y, %m, %d, %B, %b, %H, %M, %S, such as %d.%m.%Y."
        )
    directives = [letter for letter in re.findall("%(.)", value) if letter != "%"]
    if len(set(directives)) != len(directives):
        raise PydanticCustomError("bad_date_format", "Each part of a date can stand in its form only once.")
    return value


def _template(value: str) -> str:
    if not PLACEHOLDER.search(value) or set("{}") & set(PLACEHOLDER.sub("", value)):
        raise PydanticCustomError("bad_template", "Name columns in braces, such as customer-{Number}.")
    return value


Text = Annotated[str, StringConstraints(max_length=300)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(min_length=1, max_length=10)]
Template = Annotated[Text, AfterValidator(_template)]
DateFormat = Annotated[str, StringConstraints(min_length=2, max_length=40), AfterValidator(_directives)]
Words = Annotated[list[Text], Field(min_length=1, max_length=20)]
Constant = Text | bool | int | list[Text] | None


class Lookup(Body):
    """A table from the words of the file to ours."""

    values: dict[Text, Text] = Field(min_length=1, max_length=1000)
    default: Text | None = Field(default=None, description="What stands for any other word.")
    otherwise: Literal["bad", "keep"] = Field(
        default="bad", description="Without a default: whether another word is bad (see `on_bad`) or kept as it is."
    )
    ignore_case: bool = False


class Decimals(Body):
    """How decimal numbers are written that stay such."""

    decimal_separator: Literal[".", ","] = "."
    group_separator: Literal[",", ".", " ", "'"] | None = None
    negate: bool = Field(
        default=False, description="Turns the sign, as for credit notes that the file holds below zero."
    )

    @model_validator(mode="after")
    def _two_separators(self) -> Self:
        if self.group_separator == self.decimal_separator:
            raise PydanticCustomError("bad_separator", "Groups and decimals cannot have the same separator.")
        return self


class Amounts(Decimals):
    """How amounts are written that become integers of minor units (ISO 4217)."""

    currency: Currency | None = None
    currency_column: Name | None = None

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        if (self.currency is None) == (self.currency_column is None):
            raise PydanticCustomError("required", "Name the currency, or the column that holds it.")
        return self


class Phones(Body):
    """Whose national phone numbers are meant where a number comes without its country code."""

    region: Country | None = None
    region_column: Name | None = Field(default=None, description="Holds the name or the code of a country.")


class Countries(Body):
    """Names or two-letter codes of countries, which become codes (ISO 3166-1)."""

    language: LocaleTag = Field(default="en", description="Of the names.")


class Booleans(Body):
    """The words for true and false, compared without regard to case."""

    true: Words = Field(default=["true", "yes", "1"])
    false: Words = Field(default=["false", "no", "0"])


class Lists(Body):
    """Several values in one column."""

    separator: Annotated[str, StringConstraints(min_length=1, max_length=5)] = ","


class IdFromName(Body):
    """An id made of a name: the same name always makes the same id (docs/imports.md)."""

    prefix: Annotated[str, StringConstraints(max_length=MAX_ID_PREFIX, pattern="^([A-Za-z0-9][A-Za-z0-9._-]*)?$")] = ""
    collisions: Literal["refuse", "join"] = Field(
        default="refuse",
        description="Where two different names make one id: refuse the later row, or take them for one and warn.",
    )


class Source(Body):
    """Where a value comes from: exactly one of these."""

    column: Name | Names | None = Field(default=None, description="Several are joined; empty ones are left out.")
    separator: Annotated[str, StringConstraints(max_length=5)] = Field(default=" ", description="Of joined columns.")
    template: Template | None = Field(default=None, description="Empty when any column that it names is empty.")
    constant: Constant = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if len(self.model_fields_set & set(SOURCES)) != 1:
            raise PydanticCustomError("required", "Name one source: a column, a template or a constant.")
        return self

    def read_columns(self) -> tuple[str, ...]:
        """Return the columns whose texts make the value, in order."""
        if self.template is not None:
            return tuple(PLACEHOLDER.findall(self.template))
        if self.column is None:
            return ()
        return (self.column,) if isinstance(self.column, str) else tuple(self.column)


class FieldMapping(Source):
    """How one field gets its value: a source, then at most one lookup, then at most one conversion."""

    first_of: Annotated[list[Source], Field(min_length=1, max_length=5)] | None = Field(
        default=None, description="The first of these sources that is not empty."
    )
    name_part: Literal["first", "last"] | None = Field(
        default=None, description="Of a whole name. The last word, or what stands before a comma, is the last name."
    )
    lookup: Lookup | None = None
    boolean: Booleans | None = None
    country: Countries | None = None
    date: DateFormat | Annotated[list[DateFormat], Field(min_length=1, max_length=10)] | None = None
    decimal: Decimals | None = None
    id_from_name: IdFromName | None = None
    list: Lists | None = None
    minor_units: Amounts | None = None
    phone: Phones | None = None
    empty: Literal["absent", "clear", "refuse"] = Field(
        default="absent", description="What an empty value means: unchanged, cleared, or a refusal."
    )
    on_bad: Literal["refuse", "drop"] = Field(
        default="refuse", description="What to do with a bad value: refuse the row, or warn and leave the field out."
    )

    @model_validator(mode="after")
    def _one_conversion(self) -> Self:
        if sum(getattr(self, name) is not None for name in CONVERSIONS) > 1:
            raise PydanticCustomError("too_many", "Only one conversion is possible.")
        return self

    def columns(self) -> tuple[str, ...]:
        """Return the columns that the value comes of, helpers included."""
        found = [*self.read_columns(), *(name for source in self.first_of or () for name in source.read_columns())]
        helpers = (self.minor_units and self.minor_units.currency_column, self.phone and self.phone.region_column)
        return tuple(dict.fromkeys([*found, *(name for name in helpers if name)]))


class Condition(Body):
    """Which rows a kind is made of: those where the column is not empty, or holds one of the words."""

    column: Name
    one_of: Words | None = None


Repeated = Literal["first", "last", "refuse"]


def _short_form(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


Fields = Annotated[
    dict[Name, Annotated[FieldMapping, BeforeValidator(_short_form, json_schema_input_type=Name | FieldMapping)]],
    Field(min_length=1, max_length=100, description="By field; `billing_address.city` is within a field."),
]


class PartsMapping(Body):
    """What the parts of a thing are made of, one row each: the lines of an invoice, the allocations of a payment."""

    join: Annotated[dict[Name, Name], Field(min_length=1, max_length=5)] | None = Field(
        default=None,
        description="They are rows of a second file. By column of the first file, the column of the second that holds "
        "the same. When absent, they are those rows of the first file that have the same id.",
    )
    only_if: Condition | None = Field(
        default=None, description="Which rows make a part. When absent: within one file, those that the kind is of."
    )
    fields: Fields


class KindMapping(Body):
    """How each row becomes records of one kind."""

    kind: Name
    only_if: Condition | None = None
    repeated: Repeated = Field(
        default="refuse",
        description="Which value counts where several rows name the same record and differ: that of the first or of "
        "the last such row, with a warning; otherwise the later row is refused.",
    )
    fields: Fields
    lines: PartsMapping | None = Field(default=None, description="Of invoices.")
    allocations: PartsMapping | None = Field(default=None, description="Of payments.")

    def parts(self) -> tuple[tuple[str, PartsMapping], ...]:
        """Return what is made of rows of its own, by field."""
        both = (("lines", self.lines), ("allocations", self.allocations))
        return tuple((name, mapped) for name, mapped in both if mapped is not None)


class FileForm(Body):
    """How a file is written."""

    format: Literal["csv", "json_lines"] = "csv"
    encoding: Annotated[str, StringConstraints(max_length=40), AfterValidator(_encoding)] = "utf-8"
    delimiter: Annotated[
        str, StringConstraints(min_length=1, max_length=1), AfterValidator(_delimiter), Field(description="Of CSV.")
    ] = ","


class Mapping(FileForm):
    """How a file becomes accounts, invoices and so on. Each row makes each of the kinds, in their order."""

    lines_file: FileForm | None = Field(
        default=None, description="How the second file is written, when that is otherwise than the first."
    )
    kinds: list[KindMapping] = Field(min_length=1, max_length=10)


class ImportBody(Body):
    """A new import."""

    mapping: Mapping
    dry_run: bool = Field(default=True, description="Decide everything and write nothing.")
    mail: bool = Field(default=False, description="Email the contacts as if each change were made one by one.")
    size: int | None = Field(
        default=None,
        ge=1,
        le=MAX_FILE_BYTES,
        description="Of the file, in bytes. The upload must then have it exactly.",
    )
    lines_size: int | None = Field(
        default=None, ge=1, le=MAX_FILE_BYTES, description="The same for the second file that the mapping joins."
    )


class StartBody(Body):
    """How an import is to be started."""

    dry_run: bool | None = Field(
        default=None, description="Absent: as it was made. A finished dry run is confirmed by false."
    )
