"""JSON over HTTP: how a capability declares its routes.

A capability's ``api.py`` parses, calls its service once and serialises::

    from chalicelib.api import Body, Listing, Query, Reply, Request, Routes, View

    accounts_routes = Routes("accounts")            # their tag in OpenAPI

    class AccountBody(Body):                        # strict, unknown fields refused
        name: str | None = None                     # ``body.given()`` tells absent from null

    class AccountQuery(Query):                      # values arrive as text, each at most once
        q: str | None = None

    class AccountReply(View):
        account_id: str
        version: int

    @accounts_routes.get("/v1/accounts/{account_id}", may="accounts.read", returns={200: AccountReply}, tagged=True)
    def get_account(request: Request[None, None]) -> Reply:
        \"\"\"Read one account.\"\"\"                 # the first line is the summary in OpenAPI
        account = service.get_account(request.context, request.path["account_id"])
        return Reply(view_of(account), version=account.version)

    @accounts_routes.put("/v1/accounts/{account_id}", may="accounts.write", body=AccountBody,
                         returns={200: AccountReply, 201: AccountReply}, raises=("external_id_taken",),
                         replay=get_account, tagged=True)
    def put_account(request: Request[AccountBody, None]) -> Reply:
        \"\"\"Create or change an account.\"\"\"
        account, created = service.put_account(request.context, request.path["account_id"], request.body.given())
        return Reply(view_of(account), status=201 if created else 200, version=account.version)

    @accounts_routes.get("/v1/accounts", may="accounts.read", query=AccountQuery,
                         returns={200: Listing[AccountReply]}, paged=True)
    def list_accounts(request: Request[None, AccountQuery]) -> Reply:
        \"\"\"List accounts.\"\"\"
        accounts, after = service.list_accounts(request.context, request.query.q, request.page)
        return Reply(Listing(items=[view_of(one) for one in accounts]), after=after)

and ``app.py`` adds them with ``app.register(accounts_routes)``. The request pipeline (``chalicelib.http``) serves them.

What the declaration does:

``may``        required: an operation of the table in ``chalicelib/permissions.py``. An operation that is not in the
               table is refused to everybody. Only ``public=True`` (instead of ``may``) needs no principal.
``body``       the model of the JSON body; without it a body is refused. ``large=True`` allows 1 MiB.
``query``      the model of the query parameters; without it every parameter is refused.
``paged``      adds ``limit`` and ``cursor``. ``request.page`` is ``Pagination(limit, after)``; ``after`` is the plain
               JSON value that the service returned with the previous page, or None. The pipeline signs it and binds
               it to route, path, query and principal.
``returns``    status to model of the reply; None where there is no body (204).
``raises``     the codes of this route's own 409 and 422 errors, for OpenAPI. 401, 403, 404 and so on are added.
``tagged``     the reply has an ``ETag``: return ``Reply(version=…)``.
``versioned``  the route takes ``If-Match``: ``request.if_match`` is the version or None. PATCH without it is 428.
``replay``     the view that rebuilds the reply when an Idempotency-Key is repeated: a GET view of the same reply, or
               a function of its own. A path parameter that the write lacks (``contact_id`` after POST …/contacts)
               is the resource id that the service recorded with ``transaction.record_response``. The status is the
               first one. Not needed where no reply has a body. ``repeatable=False``: the route takes no key.

Ids in the path are decoded and their shape is checked (``api/paths.py``: add the name of a new one there); a bad
one is 404. Every error is answered as ``application/problem+json``; raise the classes of ``chalicelib.errors``.
HEAD, OPTIONS, CORS, 405 and 415 need no code in a capability.
"""

from chalicelib.api.models import Body, Listing, Query, View
from chalicelib.api.paging import Pagination
from chalicelib.api.routes import Reply, Request, Routes

__all__ = ["Body", "Listing", "Pagination", "Query", "Reply", "Request", "Routes", "View"]
