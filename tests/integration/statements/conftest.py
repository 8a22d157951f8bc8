from tests.integration.deliveries.conftest import world

__all__ = ["world"]
