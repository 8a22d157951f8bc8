from tests.integration.sign_in.conftest import inbox, portal

__all__ = ["inbox", "portal"]
