from tests.integration.passwords.conftest import person
from tests.integration.sign_in.conftest import inbox, portal

__all__ = ["inbox", "person", "portal"]
