"""Everything that is deployed, on one screen."""

from chalicelib.access import api as access_api
from chalicelib.access import jobs as access_jobs
from chalicelib.api.app import CounterfoilApp

app = CounterfoilApp("counterfoil")

app.register(access_api.routes)

app.register_blueprint(access_jobs.jobs)
