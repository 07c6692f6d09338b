"""A server that is installed under a folder, as in a system."""

from pathlib import Path

import pytest
from bundles import FakeServices, OwnAccount, are_active

from mien.deploy.host.installation import Installation
from mien.deploy.host.layout import Layout


@pytest.fixture
def layout(root: Path) -> Layout:
    return Layout.under(root)


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def account() -> OwnAccount:
    return OwnAccount()


@pytest.fixture
def host(layout: Layout, account: OwnAccount, services: FakeServices) -> Installation:
    installation = Installation(layout, account, services, probes=are_active, poll_s=0)
    services.release = lambda: installation.release
    return installation
