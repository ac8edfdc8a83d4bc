"""What holds for all tests: how long hypothesis searches. `HYPOTHESIS_PROFILE=deep` searches far longer."""

import os

from hypothesis import settings

settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
