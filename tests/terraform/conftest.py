from pathlib import Path

import pytest

from tests.support import terraform
from tests.support.terraform import Terraform


@pytest.fixture(scope="session")
def tf(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    return terraform.prepare(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def root(tf: Terraform) -> Path:
    """The initialised root of the deployment."""
    return tf.init(tf.tree)
