"""Everything that is deployed, on one screen."""

from chalicelib.access.api import access_routes
from chalicelib.accounts.api import accounts_routes
from chalicelib.audit.api import audit_routes
from chalicelib.bill_groups.api import bill_groups_routes
from chalicelib.console.home import console_home_pages
from chalicelib.console.sign_in import console_sign_in_pages
from chalicelib.contacts.api import contacts_routes
from chalicelib.contacts.jobs import contacts_jobs
from chalicelib.contacts.preferences_api import preferences_routes
from chalicelib.deliveries.api import deliveries_routes
from chalicelib.deliveries.jobs import deliveries_jobs
from chalicelib.entities.api import entities_routes
from chalicelib.functions.api_keys import api_key_functions
from chalicelib.functions.documents import document_functions
from chalicelib.functions.erasures import erasure_functions
from chalicelib.functions.imports import import_functions
from chalicelib.functions.invoices import invoice_functions
from chalicelib.functions.mail import mail_functions
from chalicelib.functions.reminders import reminder_functions
from chalicelib.functions.staff import staff_functions
from chalicelib.functions.suppressions import suppression_functions
from chalicelib.http.app import CounterfoilApp
from chalicelib.imports.api import imports_routes
from chalicelib.imports.jobs import imports_jobs
from chalicelib.invoices.api import invoices_routes
from chalicelib.invoices.pdf.api import invoice_pdf_routes
from chalicelib.logos.api import logos_routes
from chalicelib.mail.api import mail_routes
from chalicelib.mail.jobs import mail_jobs
from chalicelib.passwords.api import passwords_routes
from chalicelib.payments.api import payments_routes
from chalicelib.portal.overview import overview_pages
from chalicelib.portal.passwords import passwords_pages
from chalicelib.portal.replies import replies_pages
from chalicelib.portal.sign_in import portal_sign_in_pages
from chalicelib.portal.start import start_pages
from chalicelib.portal.unsubscribe import unsubscribe_pages
from chalicelib.reminders.outlook.api import policy_comparison_routes, reminder_outlook_routes
from chalicelib.reminders.pauses.api import reminder_pause_routes
from chalicelib.reminders.policy.api import reminder_policy_routes, reminder_template_routes
from chalicelib.reminders.run.api import reminder_run_routes
from chalicelib.reminders.run.jobs import reminders_jobs
from chalicelib.sessions.api import sessions_routes
from chalicelib.sign_in.api import sign_in_routes
from chalicelib.staff.api import staff_routes
from chalicelib.statements.api import statements_routes
from chalicelib.tasks.jobs import tasks_jobs

app = CounterfoilApp("counterfoil")

app.register(access_routes)
app.register(sign_in_routes)
app.register(sessions_routes)
app.register(passwords_routes)
app.register(staff_routes)
app.register(entities_routes)
app.register(logos_routes)
app.register(accounts_routes)
app.register(bill_groups_routes)
app.register(contacts_routes)
app.register(preferences_routes)
app.register(invoices_routes)
app.register(invoice_pdf_routes)
app.register(deliveries_routes)
app.register(payments_routes)
app.register(statements_routes)
app.register(reminder_outlook_routes)
app.register(reminder_pause_routes)
app.register(reminder_policy_routes)
app.register(policy_comparison_routes)
app.register(reminder_run_routes)
app.register(reminder_template_routes)
app.register(audit_routes)
app.register(mail_routes)
app.register(imports_routes)

app.register_pages(start_pages)
app.register_pages(portal_sign_in_pages)
app.register_pages(passwords_pages)
app.register_pages(overview_pages)
app.register_pages(replies_pages)
app.register_pages(unsubscribe_pages)

app.register_pages(console_sign_in_pages)
app.register_pages(console_home_pages)

app.register_blueprint(contacts_jobs)
app.register_blueprint(deliveries_jobs)
app.register_blueprint(tasks_jobs)
app.register_blueprint(imports_jobs)
app.register_blueprint(mail_jobs)
app.register_blueprint(reminders_jobs)

app.register_blueprint(api_key_functions)
app.register_blueprint(document_functions)
app.register_blueprint(erasure_functions)
app.register_blueprint(import_functions)
app.register_blueprint(invoice_functions)
app.register_blueprint(mail_functions)
app.register_blueprint(reminder_functions)
app.register_blueprint(staff_functions)
app.register_blueprint(suppression_functions)
