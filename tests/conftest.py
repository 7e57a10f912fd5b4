"""What all tests share."""

import importlib.util
import os
from types import ModuleType

import corpus
import programs
import pytest
from hypothesis import settings

os.environ.update(programs.ENVIRONMENT)

# A loaded machine is slow, and no test is about time.
settings.register_profile("bpft", deadline=None)
settings.load_profile("bpft")


@pytest.fixture(scope="session")
def truth() -> ModuleType:
    """The corpus's own oracle, which shares no code with the project."""
    path = corpus.ROOT / "truth.py"
    if not path.exists():
        pytest.skip("no ../shared/corpus/truth.py")
    spec = importlib.util.spec_from_file_location("truth", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
