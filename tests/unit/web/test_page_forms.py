"""The forms of pages have the field types of the API; later pages are held to it too."""

import ast
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from app import app
from chalicelib import field_types
from chalicelib.errors import InvalidInput
from chalicelib.portal.passwords import PasswordSignInForm
from chalicelib.web.forms import Form, validate_form

CHALICELIB = Path(__file__).parents[3] / "chalicelib"
PAGES = sorted(path for area in ("portal", "console") for path in (CHALICELIB / area).rglob("*.py"))
ONLY_IN_PAGES = {
    ("SendForm", "to"): "a choice between two buttons; the API takes ids of contacts",
}


def all_forms(base: type[Form] = Form) -> list[type[Form]]:
    return [form for one in base.__subclasses__() for form in (one, *all_forms(one))]


def hints(model: type[BaseModel]) -> dict[str, Any]:
    """Return the type of each field, with what it is annotated with, null left aside."""
    found = get_type_hints(model, include_extras=True)
    return {name: without_null(found[name]) for name in model.model_fields}


def without_null(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        others = [one for one in get_args(hint) if one is not type(None)]
        return others[0] if len(others) == 1 else hint
    return hint


def api_types() -> list[Any]:
    bodies = [route.body for route in app.json_api.all_routes() if route.body is not None]
    named = [value for name, value in vars(field_types).items() if name[0].isupper() and get_origin(value) is not None]
    return [*named, *(hint for body in all_models(bodies) for hint in hints(body).values())]


def all_models(bodies: list[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Yield the bodies and what stands in them."""
    seen: set[type[BaseModel]] = set()
    while bodies:
        body = bodies.pop()
        if body in seen:
            continue
        seen.add(body)
        yield body
        bodies += [one for hint in hints(body).values() for one in walk(hint)]


def walk(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for part in get_args(hint):
        yield from walk(part)


@pytest.mark.parametrize("form", all_forms(), ids=lambda form: form.__name__)
def test_a_form_has_the_field_types_of_the_api(form: type[Form]) -> None:
    own, known = hints(form), api_types()
    body = hints(form.api_body) if form.api_body else {}
    assert form.api_body is None or own.keys() & body.keys(), "The form shares no field with the body that it names."
    for name, hint in own.items():
        if (form.__name__, name) in ONLY_IN_PAGES:
            continue
        assert hint == body[name] if name in body else hint in known, f"{form.__name__}.{name}"


def test_the_exceptions_exist() -> None:
    fields = {(form.__name__, name) for form in all_forms() for name in form.model_fields}
    assert ONLY_IN_PAGES.keys() <= fields


def test_pages_use_what_was_validated_and_show_again_what_was_typed() -> None:
    """``request.typed`` is for showing a form again, for the boxes that were ticked, and for where to go next."""
    allowed = {
        "portal/passwords.py": {"user_name"},
        # Both are checked by rules of their own: an amount as its reader writes it, a path of our pages.
        "portal/replies.py": {"amount", "only"},
        "portal/sign_in.py": {"email", "next"},
    }
    read: dict[str, set[str]] = {}
    for page in PAGES:
        for node in ast.walk(ast.parse(page.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="get", value=ast.Attribute(attr="typed") | ast.Name(id="typed")),
                    args=[ast.Constant(value=str(name)), *_],
                ):
                    read.setdefault(str(page.relative_to(CHALICELIB)), set()).add(name)
                case ast.Subscript(value=ast.Attribute(attr="typed") | ast.Name(id="typed")):
                    pytest.fail(f"{page}: {ast.unparse(node)}")
    assert read == allowed


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"user_name": "x" * 65, "password": "p"}, ["user_name"]),
        ({"user_name": "x", "password": "p" * 513}, ["password"]),
        ({"user_name": " ", "password": ""}, ["user_name", "password"]),
        ({}, ["user_name", "password"]),
    ],
)
def test_what_the_api_refuses_the_page_refuses(typed: dict[str, str], fields: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        validate_form(PasswordSignInForm, typed)
    assert [one.field for one in refused.value.fields] == fields


def test_a_password_keeps_its_spaces() -> None:
    form = validate_form(PasswordSignInForm, {"user_name": " ann ", "password": " a sentence "})
    assert (form.user_name, form.password) == ("ann", " a sentence ")
